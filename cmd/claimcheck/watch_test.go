package main

import (
	"encoding/json"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/client"
)

// TestCancelAndWatch cancels a job that no worker takes, watches it, and a job that a worker
// completes.
func TestCancelAndWatch(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	submit := func() string {
		r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, photo(t))
		if r.code != 0 {
			t.Fatal(r.err)
		}
		return strings.TrimSpace(r.out)
	}
	url := submit()
	for range 2 { // the second changes nothing
		r := claimcheck(t.Context(), nil, "cancel", "--server", s.URL, url)
		if want := url + "\tcanceled\tcanceled by its owner\n"; r.code != 0 || r.out != want {
			t.Errorf("cancel: exit code %d, %q, %q; want %q", r.code, r.out, r.err, want)
		}
	}
	r := claimcheck(t.Context(), nil, "cancel", "--format", "json", "--server", s.URL, url)
	var canceled client.Job
	if err := json.Unmarshal([]byte(r.out), &canceled); err != nil || r.code != 0 || canceled.URL != url || canceled.Status != "canceled" || canceled.Message != "canceled by its owner" {
		t.Errorf("cancel --format json: exit code %d, %v: %q, %q", r.code, err, r.out, r.err)
	}
	for _, args := range [][]string{{"--watch"}, {"--wait"}} {
		r := claimcheck(t.Context(), nil, append([]string{"status", "--server", s.URL, url}, args...)...)
		if want := url + "\tcanceled\tcanceled by its owner\n"; r.code != 1 || r.out != want {
			t.Errorf("status %s of a canceled job: exit code %d, %q, %q", args, r.code, r.out, r.err)
		}
	}
	r = claimcheck(t.Context(), nil, "cancel", "--server", s.URL, "https://elsewhere.example/jobs/"+url[strings.LastIndexByte(url, '/')+1:])
	if r.code != 1 || !strings.Contains(r.err, "to cancel it there, give its identifier alone") {
		t.Errorf("another server's: exit code %d, %q", r.code, r.err)
	}

	url = submit()
	s.StartWorker(t)
	r = claimcheck(t.Context(), nil, "status", "--watch", "--format", "json", "--server", s.URL, url)
	var statuses []string
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var j client.Job
		if err := d.Decode(&j); err != nil || j.URL != url {
			t.Fatalf("%v: %q", err, r.out)
		}
		statuses = append(statuses, j.Status)
	}
	if len(statuses) == 0 || statuses[len(statuses)-1] != "completed" || r.code != 0 {
		t.Errorf("exit code %d, %q, %q", r.code, statuses, r.err)
	}
	if r := claimcheck(t.Context(), nil, "cancel", "--server", s.URL, url); r.code != 1 || !strings.Contains(r.err, "is completed already") {
		t.Errorf("cancel of a completed job: exit code %d, %q", r.code, r.err)
	}
}

// TestSubmitCancelAfter submits a job that no worker takes in time.
func TestSubmitCancelAfter(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	r := claimcheck(t.Context(), nil, "submit", "--cancel-after", "1s", "--wait", "--server", s.URL, photo(t))
	if r.code != 1 || !strings.Contains(r.err, "the job is canceled: its Cancel-After of 1 s was over") {
		t.Errorf("exit code %d, %q, %q", r.code, r.out, r.err)
	}
	for _, wrong := range []string{"1500ms", "-1s", "600"} {
		r := claimcheck(t.Context(), nil, "submit", "--cancel-after="+wrong, "--server", s.URL, photo(t))
		if r.code != 2 || !strings.Contains(r.err, "--cancel-after") {
			t.Errorf("%s: exit code %d, %q", wrong, r.code, r.err)
		}
	}
}
