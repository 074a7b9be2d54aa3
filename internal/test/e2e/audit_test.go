package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// records waits for that many lines in a process's log and returns them.
func records(t *testing.T, d service.Service, n int) (all []map[string]any) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for strings.Count(d.Output(), "\n") < n {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d records are expected: %s", n, d.Output())
		}
	}
	for line := range strings.Lines(d.Output()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, record)
	}
	return all
}

// TestAuditIsWrittenAtEveryLevel: the log of a server at level error has who was let in
// and who was not, and nothing else.
func TestAuditIsWrittenAtEveryLevel(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	d := service.Open(t, awstest.Start(t), "server", "ALLOW_ANONYMOUS=", "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "LOG_LEVEL=error", "LOG_FORMAT=json", "LOG_DECISIONS=all")
	const trace = "0af7651916cd43dd8448eb211c80319c"
	get := func(path, token string) (requestID string) {
		a := apptest.Get(t, d.URL+path, "Authorization", token, "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		return a.Header.Get("X-Request-Id")
	}
	want := []map[string]any{
		{"msg": "policies in force", "level": "INFO", "origin": "built-in"},
		{"msg": "access decision", "level": "INFO", "decision": "allow", "action": "readUsage", "principal": p.URL + "|alice", "trace_id": trace,
			"request_id": get("/usage", p.Bearer("alice"))},
		{"msg": "access decision", "level": "INFO", "decision": "deny", "action": "readUsage", "principal": p.URL + "|alice", "address": "127.0.0.1",
			"request_id": get("/usage?owner=another", p.Bearer("alice"))},
		{"msg": "request", "level": "INFO", "status": 401.0, "route": "/jobs/{job_id}", "address": "127.0.0.1", "kind": "unauthenticated",
			"request_id": get("/jobs/"+uuid.NewString(), "Bearer nonsense")},
	}
	get("/jobs/"+uuid.NewString(), p.Bearer("alice")) // no job, so no decision and a line below the level
	got := records(t, d, len(want))
	if len(got) != len(want) {
		t.Fatalf("%d records: %s", len(got), d.Output())
	}
	for i := range want {
		for key := range got[i] {
			if _, ok := want[i][key]; !ok && key != "error" {
				delete(got[i], key)
			}
		}
		why, _ := got[i]["error"].(string)
		delete(got[i], "error")
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
		if (want[i]["status"] != nil) != strings.Contains(why, "the token has 1 parts, not three") {
			t.Errorf("record %d: why is %q", i, why)
		}
	}
}

// TestOpenServerSaysSoAtEveryLevel starts an anonymous server at level error: one line
// says that it is open, and the log has no decisions.
func TestOpenServerSaysSoAtEveryLevel(t *testing.T) {
	t.Parallel()
	d := service.Open(t, awstest.Start(t), "server", "LOG_LEVEL=error", "LOG_FORMAT=json")
	if a := apptest.Get(t, d.URL+"/usage"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	got := records(t, d, 1)
	if msg, _ := got[0]["msg"].(string); len(got) != 1 || !strings.HasPrefix(msg, "ALLOW_ANONYMOUS is set") {
		t.Errorf("the log is %s", d.Output())
	}
}
