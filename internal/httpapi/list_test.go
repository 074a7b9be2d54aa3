package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
)

// pages follows a list from its first page to its last, and returns the job_ids of each.
func pages(t *testing.T, first string, header ...string) (all [][]string) {
	t.Helper()
	for next := first; next != ""; {
		a := apptest.Get(t, next, header...)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s: %s", next, a.Status, a.Bytes)
		}
		body := a.JSON(t)
		var ids []string
		for _, j := range body["jobs"].([]any) {
			ids = append(ids, j.(map[string]any)["job_id"].(string))
		}
		all = append(all, ids)
		next, _ = body["next"].(string)
		if link := a.Header.Get("Link"); next != "" && link != "<"+next+`>; rel="next"` || next == "" && link != "" {
			t.Errorf("next is %q, and Link is %q", next, link)
		}
		if len(all) > 100 {
			t.Fatal("the list does not end")
		}
	}
	return all
}

func idOf(a apptest.Answer) string {
	return a.Header.Get("Location")[strings.LastIndexByte(a.Header.Get("Location"), '/')+1:]
}

// TestList lists what its caller has submitted, at once and page by page, as each job's own
// status says it.
func TestList(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "ADMIN_GROUP=operators")
	alice, bob, admin := p.Bearer("alice"), p.Bearer("bob"), p.Bearer("eve", "operators")
	submit := func(who string, header ...string) apptest.Answer {
		t.Helper()
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)), append([]string{"Content-Type", "image/png", "Authorization", who}, header...)...)
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", a.Status, a.Bytes)
		}
		return a
	}
	if got := pages(t, s.URL+"/jobs", "Authorization", alice); len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("an empty list is %v", got)
	}
	var want []string // the newest first
	var last apptest.Answer
	for i := range 5 {
		last = submit(alice, "Idempotency-Key", fmt.Sprint("key ", i))
		submit(bob)
		want = slices.Insert(want, 0, idOf(last))
		if got := pages(t, s.URL+"/jobs", "Authorization", alice); !slices.Equal(slices.Concat(got...), want) {
			t.Fatalf("after submit %d the list is %v, want %v", i, got, want)
		}
	}
	got := pages(t, s.URL+"/jobs?limit=2", "Authorization", alice)
	if !slices.Equal(slices.Concat(got...), want) || len(got) != 3 {
		t.Errorf("pages of 2: %v, want %v", got, want)
	}
	t.Run("each is as its status", func(t *testing.T) {
		status := apptest.Get(t, last.Header.Get("Location"), "Authorization", alice)
		list := apptest.Get(t, s.URL+"/jobs?limit=1", "Authorization", alice)
		if !bytes.Contains(list.Bytes, bytes.TrimSpace(status.Bytes)) {
			t.Errorf("the list is\n%s, the status\n%s", list.Bytes, status.Bytes)
		}
		if expires, _ := status.JSON(t)["expires_at"].(string); expires <= status.JSON(t)["updated_at"].(string) {
			t.Errorf("expires_at is %q", expires)
		}
	})
	t.Run("a new life of a key", func(t *testing.T) {
		if a := apptest.Do(t, http.MethodDelete, last.Header.Get("Location"), nil, "Authorization", alice); a.StatusCode != http.StatusNoContent {
			t.Fatalf("%s: %s", a.Status, a.Bytes)
		}
		if got := slices.Concat(pages(t, s.URL+"/jobs", "Authorization", alice)...); !slices.Equal(got, want[1:]) {
			t.Errorf("after the deletion: %v, want %v", got, want[1:])
		}
		submit(alice, "Idempotency-Key", "key 4")
		if got := slices.Concat(pages(t, s.URL+"/jobs?limit=1", "Authorization", alice)...); !slices.Equal(got, want) {
			t.Errorf("the key's new job: %v, want %v", got, want)
		}
	})
	t.Run("bounds", func(t *testing.T) {
		created := apptest.Get(t, s.URL+"/jobs/"+want[2], "Authorization", alice).JSON(t)["created_at"].(string)
		at := url.QueryEscape(created)
		since := slices.Concat(pages(t, s.URL+"/jobs?limit=1&since="+at, "Authorization", alice)...)
		until := slices.Concat(pages(t, s.URL+"/jobs?limit=1&until="+at, "Authorization", alice)...)
		if !slices.Equal(since, want[:3]) || !slices.Equal(until, want[2:]) {
			t.Errorf("since: %v, until: %v, of %v", since, until, want)
		}
	})
	owner := url.QueryEscape(p.URL + "|alice")
	t.Run("another's list", func(t *testing.T) {
		if a := apptest.Get(t, s.URL+"/jobs?owner="+owner, "Authorization", bob); a.StatusCode != http.StatusForbidden {
			t.Errorf("for bob: %s: %s", a.Status, a.Bytes)
		}
		if got := slices.Concat(pages(t, s.URL+"/jobs?limit=2&owner="+owner, "Authorization", admin)...); !slices.Equal(got, want) {
			t.Errorf("for the operator: %v, want %v", got, want)
		}
	})
	t.Run("another's cursor", func(t *testing.T) {
		next, err := url.Parse(apptest.Get(t, s.URL+"/jobs?limit=1", "Authorization", alice).JSON(t)["next"].(string))
		if err != nil {
			t.Fatal(err)
		}
		for name, who := range map[string][2]string{"bob": {bob, ""}, "the operator": {admin, "&owner=" + owner}} {
			if a := apptest.Get(t, next.String()+who[1], "Authorization", who[0]); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
			}
		}
		beside := s.StartBeside(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
		if got := slices.Concat(pages(t, beside+next.RequestURI(), "Authorization", alice)...); !slices.Equal(got, want[1:]) {
			t.Errorf("another process: %v, want %v", got, want[1:])
		}
	})
}

// TestListByStatus reads a list in which few jobs have the status that is asked for: each
// answer reads at most 100 documents.
func TestListByStatus(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	oldest := s.Submit(t, small(t))
	stop := s.StartWorker(t)
	apptest.Await(t, oldest.Header.Get("Location"))
	stop()
	for range 130 {
		apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99}`), "Content-Type", "application/json")
	}
	s.ResetCount()
	a := apptest.Get(t, s.URL+"/jobs?status=completed&status=failed")
	if n := s.Count()["S3 GetObject"]; n != 100 {
		t.Errorf("one answer reads %d documents", n)
	}
	if body := a.JSON(t); len(body["jobs"].([]any)) != 0 || body["next"] == nil {
		t.Errorf("the first page is %s", a.Bytes)
	}
	if got := pages(t, s.URL+"/jobs?status=completed&status=failed"); !slices.Equal(slices.Concat(got...), []string{idOf(oldest)}) {
		t.Errorf("the list is %v, want %s", got, idOf(oldest))
	}
	if got := slices.Concat(pages(t, s.URL+"/jobs?limit=100")...); len(got) != 131 {
		t.Errorf("the whole list has %d jobs", len(got))
	}
}

func TestListRefusals(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	tests := map[string]string{
		"limit=0": "1 to 100", "limit=101": "1 to 100", "limit=ten": "1 to 100", "limit=1&limit=2": "twice",
		"status=done": "status", "state=failed": "does not take", "since=yesterday": "since is not a time", "until=0001-01-01T00:00:00Z": "until is not a time",
		"since=2026-11-23T00:00:00Z&until=2026-11-22T00:00:00Z": "later than until",
		"cursor=AAAA": "begin without a cursor", "cursor=" + strings.Repeat("A", 44): "begin without a cursor", "cursor=%00": "begin without a cursor",
		"a=%zz": "malformed",
	}
	for query, want := range tests {
		a := apptest.Get(t, s.URL+"/jobs?"+query)
		if detail, _ := a.JSON(t)["detail"].(string); a.StatusCode != http.StatusBadRequest || !strings.Contains(detail, want) {
			t.Errorf("%s: %s: %s, want %q", query, a.Status, a.Bytes, want)
		}
	}
}

// TestNoLists turns the list off: a submit makes one write less, and the call says why there
// is nothing.
func TestNoLists(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "LIST_JOBS=false")
	s.Submit(t, small(t))
	if a := apptest.Get(t, s.URL+"/jobs"); a.StatusCode != http.StatusNotFound || !strings.Contains(a.JSON(t)["detail"].(string), "LIST_JOBS=false") {
		t.Errorf("%s: %s", a.Status, a.Bytes)
	}
	listed, err := s.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: aws.String("lists/")})
	if err != nil || len(listed.Contents) != 0 {
		t.Errorf("the bucket has %v, %v", listed.Contents, err)
	}
}

// TestListWithFailures: an entry that cannot be stored is a job that is not accepted.
func TestListWithFailures(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if strings.HasPrefix(r.Key, "lists/") {
			return apptest.Deny
		}
		return apptest.Pass
	})
	if a := s.Submit(t, small(t)); a.StatusCode != http.StatusInternalServerError {
		t.Errorf("submit: %s: %s", a.Status, a.Bytes)
	}
	s.Backend.Fail(nil)
	if got := pages(t, s.URL+"/jobs"); len(slices.Concat(got...)) != 0 {
		t.Errorf("the list has what was not accepted: %v", got)
	}
}
