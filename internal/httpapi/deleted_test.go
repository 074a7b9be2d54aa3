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
