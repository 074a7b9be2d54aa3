package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestDeletedJobsAreGone breaks a deletion off while the job's objects are still there:
// for its own owner, too, there is no such job any more, whatever he asks. Another DELETE
// brings the deletion to its end.
func TestDeletedJobsAreGone(t *testing.T) {
	t.Parallel()
	s, job := completed(t)
	announced := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99}`), "Content-Type", "application/json")
	jobs := []string{job, announced.Header.Get("Location")}
	remove := func(want int) {
		t.Helper()
		for _, j := range jobs {
			if a := apptest.Do(t, http.MethodDelete, j, nil); a.StatusCode != want {
				t.Errorf("DELETE %s: %s, want %d: %s", j, a.Status, want, a.Bytes)
			}
		}
	}
	gone := func() {
		t.Helper()
		for _, j := range jobs {
			for _, r := range [][3]string{
				{http.MethodGet, ""}, {http.MethodHead, ""}, {http.MethodGet, "", "wait=1"}, {http.MethodGet, "/output"}, {http.MethodPost, "/commit"},
			} {
				if a := apptest.Do(t, r[0], j+r[1], nil, "Prefer", r[2]); a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != "" {
					t.Errorf("%s %s%s: %s: %s", r[0], j, r[1], a.Status, a.Bytes)
				}
			}
		}
	}
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if r.Method == http.MethodDelete {
			return apptest.Deny
		}
		return apptest.Pass
	})
	remove(http.StatusInternalServerError)
	gone()
	s.Backend.Fail(nil)
	remove(http.StatusNoContent)
	gone()
	remove(http.StatusNotFound)
}

// TestDeleteUnderIfMatch deletes jobs under If-Match: only as long as their status is
// the one that was seen, at the same price.
func TestDeleteUnderIfMatch(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	remove := func(location, ifMatch string, want int) {
		t.Helper()
		var header []string
		if ifMatch != "" {
			header = []string{"If-Match", ifMatch}
		}
		a := apptest.Do(t, http.MethodDelete, location, nil, header...)
		if a.StatusCode != want || want == http.StatusPreconditionFailed && (a.JSON(t)["location"] != location || a.Header.Get("Location") != location) {
			t.Errorf("If-Match: %s: %s, want %d: %s", ifMatch, a.Status, want, a.Bytes)
		}
	}
	cost := func(do func()) int {
		before := s.Count()
		do()
		n := 0
		for name, after := range s.Count() {
			n += after - before[name]
		}
		return n
	}
	first := s.Submit(t, small(t)).Header.Get("Location")
	old := apptest.Get(t, first).Header.Get("ETag")
	plain := cost(func() { remove(first, "", http.StatusNoContent) })
	if got := cost(func() { remove(first, old, http.StatusNotFound) }); got != 1 {
		t.Errorf("what is gone cost %d requests", got)
	}
	second := s.Submit(t, small(t)).Header.Get("Location")
	seen := apptest.Get(t, second).Header.Get("ETag")
	for _, ifMatch := range []string{old, "W/" + seen, strings.Trim(seen, `"`), old + `, "x"`} {
		if got := cost(func() { remove(second, ifMatch, http.StatusPreconditionFailed) }); got != 1 {
			t.Errorf("a refusal cost %d requests", got)
		}
	}
	if got := cost(func() { remove(second, old+", "+seen, http.StatusNoContent) }); got != plain {
		t.Errorf("it cost %d requests, without If-Match %d", got, plain)
	}
	remove(s.Submit(t, small(t)).Header.Get("Location"), "*", http.StatusNoContent)
}
