package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

// TestList lists jobs as lines for programs and as a table for people, over several pages.
func TestList(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	list := func(args ...string) string {
		t.Helper()
		r := claimcheck(t.Context(), nil, append([]string{"list", "--server", s.URL}, args...)...)
		if r.code != 0 || r.err != "" {
			t.Fatalf("%v: exit code %d, errors %q", args, r.code, r.err)
		}
		return r.out
	}
	if out := list() + list("--format", "table"); out != "No jobs.\n" {
		t.Errorf("an empty list: %q", out)
	}
	var want []string
	for range 103 {
		time.Sleep(time.Millisecond) // jobs of one millisecond come in the order of their identifiers
		a := apptest.Do(t, "POST", s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99}`), "Content-Type", "application/json")
		want = slices.Insert(want, 0, fmt.Sprint(a.JSON(t)["job_id"]))
	}
	ids := func(out string) (ids []string) {
		for line := range strings.Lines(out) {
			var j struct {
				ID        string `json:"job_id"`
				ExpiresAt string `json:"expires_at"`
			}
			if err := json.Unmarshal([]byte(line), &j); err != nil || j.ExpiresAt == "" {
				t.Fatalf("%v: %q", err, line)
			}
			ids = append(ids, j.ID)
		}
		return ids
	}
	if got := ids(list()); !slices.Equal(got, want[:20]) {
		t.Errorf("by default: %v, want %v", got, want[:20])
	}
	if got := ids(list("--all", "--since", "2d", "--status", "pending,failed")); !slices.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got := ids(list("--limit", "102", "--format", "json")); !slices.Equal(got, want[:102]) {
		t.Errorf("102: %v, want %v", got, want[:102])
	}
	if out := list("--status", "failed") + list("--until", "1h"); out != "" {
		t.Errorf("other jobs: %q", out)
	}
	table := list("--limit", "1", "--format", "table")
	if !regexp.MustCompile(`^JOB +STATUS +AGE +INPUT +SIZE +RESULT\n` + want[0] + ` +pending +\d+[smh] +image/png +99 *\n$`).MatchString(table) {
		t.Errorf("the table is\n%s", table)
	}
	if r := claimcheck(t.Context(), nil, "list", "--server", s.URL, "--owner", "someone|else"); r.code != 1 || !strings.Contains(r.err, "you may not list these jobs") {
		t.Errorf("another's: exit code %d, %q", r.code, r.err)
	}
}
