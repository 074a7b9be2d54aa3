package cedarauthz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/cedarauthz"
	"claimcheck.example/internal/job"
)

func TestLogged(t *testing.T) {
	t.Parallel()
	p := ann
	p.Groups, p.Email = []string{"staff"}, "ann@example.org"
	const id = "0190b3d2-7c1e-7000-8000-000000000001"
	tests := []struct {
		name     string
		policies string
		q        job.Access
		want     map[string]any
	}{
		{
			name: "allow",
			q:    job.Access{Principal: p, Action: job.ActionReadStatus, Owner: p.Owner(), Job: jobOf(p.Owner(), job.Failed), Time: noon},
			want: map[string]any{
				"level": "INFO", "decision": "allow", "principal": "https://idp.example|ann", "action": "readStatus",
				"owner": "https://idp.example|ann", "job_id": id, "job_status": "failed",
				"policy": "own-jobs", "reason": "permitted",
			},
		},
		{
			name: "deny by default",
			q: job.Access{
				Principal: p, Action: job.ActionReadOutput, Owner: bob.Owner(), Job: jobOf(bob.Owner(), job.Completed),
				Time: noon, Source: netip.MustParseAddr("192.0.2.9"),
			},
			want: map[string]any{
				"level": "INFO", "decision": "deny", "principal": "https://idp.example|ann", "action": "readOutput",
				"owner": "https://idp.example|bob", "job_id": id, "job_status": "completed",
				"policy": "", "reason": "no policy permits it", "visible": false, "groups": []any{"staff"}, "address": "192.0.2.9",
			},
		},
		{
			name: "deny by code",
			q:    job.Access{Principal: job.Anonymous, Action: job.ActionAdminister, Time: noon},
			want: map[string]any{
				"level": "INFO", "decision": "deny", "principal": "anonymous|anonymous", "action": "administer", "owner": "",
				"policy": "", "reason": "an anonymous principal reaches nothing of others", "visible": true, "groups": nil,
			},
		},
		{
			name:     "deny by name",
			policies: `@id("closed") forbid (principal, action, resource);`,
			q:        job.Access{Principal: p, Action: job.ActionSubmit, Owner: p.Owner(), Time: noon},
			want: map[string]any{
				"level": "INFO", "decision": "deny", "principal": "https://idp.example|ann", "action": "submit",
				"owner": "https://idp.example|ann", "policy": "closed", "reason": "forbidden", "visible": true, "groups": []any{"staff"},
			},
		},
		{
			name:     "deny by a failure",
			policies: `@id("broken") permit (principal, action, resource is Job) when { resource.age * 9223372036854775807 > 0 };`,
			q:        job.Access{Principal: p, Action: job.ActionReadStatus, Owner: p.Owner(), Job: jobOf(p.Owner(), job.Failed), Time: noon},
			want: map[string]any{
				"level": "ERROR", "decision": "deny", "principal": "https://idp.example|ann", "action": "readStatus",
				"owner": "https://idp.example|ann", "job_id": id, "job_status": "failed",
				"policy": "broken", "reason": "integer overflow while attempting to multiply `3600` by `9223372036854775807`",
				"visible": false, "groups": []any{"staff"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o cedarauthz.Options
			if tt.policies != "" {
				o.Policies = []byte(tt.policies)
			}
			m := newMonitor(t, o)
			var log bytes.Buffer
			logged := cedarauthz.Logged(m, slog.New(slog.NewJSONHandler(&log, nil)), true)

			if got, want := logged.Decide(t.Context(), tt.q), m.Decide(t.Context(), tt.q); got != want {
				t.Errorf("Decide = %+v, want %+v", got, want)
			}
			var got map[string]any
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, &log)
			}
			if us, ok := got["duration_us"].(float64); !ok || us < 0 {
				t.Errorf("duration_us = %v", got["duration_us"])
			}
			delete(got, "duration_us")
			delete(got, "time")
			tt.want["msg"] = "access decision"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if strings.Contains(log.String(), "ann@example.org") {
				t.Error("the e-mail address is in the log")
			}
		})
	}
}

// TestLoggedLeavesOutOrdinaryReads checks that writes, denials and reads of others' jobs
// are always on record.
func TestLoggedLeavesOutOrdinaryReads(t *testing.T) {
	t.Parallel()
	staff := ann
	staff.Groups = []string{"operators"}
	mine, others := jobOf(ann.Owner(), job.Completed), jobOf(bob.Owner(), job.Completed)
	tests := []struct {
		name    string
		q       job.Access
		records int
	}{
		{"own status", job.Access{Principal: ann, Action: job.ActionReadStatus, Owner: ann.Owner(), Job: mine}, 0},
		{"own output", job.Access{Principal: ann, Action: job.ActionReadOutput, Owner: ann.Owner(), Job: mine}, 0},
		{"own usage", job.Access{Principal: ann, Action: job.ActionReadUsage, Owner: ann.Owner()}, 0},
		{"submit", job.Access{Principal: ann, Action: job.ActionSubmit, Owner: ann.Owner()}, 1},
		{"delete", job.Access{Principal: ann, Action: job.ActionDelete, Owner: ann.Owner(), Job: mine}, 1},
		{"own list", job.Access{Principal: ann, Action: job.ActionList, Owner: ann.Owner()}, 0},
		{"another's list, by an operator", job.Access{Principal: staff, Action: job.ActionList, Owner: bob.Owner()}, 1},
		{"another's list", job.Access{Principal: ann, Action: job.ActionList, Owner: bob.Owner()}, 1},
		{"a job of another's list, by an operator", job.Access{Principal: staff, Action: job.ActionReadStatus, Owner: bob.Owner(), Job: others, Listed: true}, 0},
		{"cancel", job.Access{Principal: ann, Action: job.ActionCancel, Owner: ann.Owner(), Job: mine}, 1},
		{"link", job.Access{Principal: ann, Action: job.ActionShare, Owner: ann.Owner(), Job: mine}, 1},
		{"another's status", job.Access{Principal: ann, Action: job.ActionReadStatus, Owner: bob.Owner(), Job: others}, 1},
		{"another's output, by an operator", job.Access{Principal: staff, Action: job.ActionReadOutput, Owner: bob.Owner(), Job: others}, 1},
	}
	for _, tt := range tests {
		tt.q.Time = noon
		var log bytes.Buffer
		m := newMonitor(t, cedarauthz.Options{AdminGroup: "operators"})
		logged := cedarauthz.Logged(m, slog.New(slog.NewJSONHandler(&log, nil)), false)
		if got, want := logged.Decide(t.Context(), tt.q), m.Decide(t.Context(), tt.q); got != want {
			t.Errorf("%s: Decide = %+v, want %+v", tt.name, got, want)
		}
		if n := strings.Count(log.String(), "\n"); n != tt.records {
			t.Errorf("%s: %d records, want %d: %s", tt.name, n, tt.records, &log)
		}
	}
	var log bytes.Buffer
	broken := newMonitor(t, cedarauthz.Options{Policies: []byte(`@id("closed") forbid (principal, action, resource);`)})
	cedarauthz.Logged(broken, slog.New(slog.NewJSONHandler(&log, nil)), false).Decide(t.Context(), tests[0].q)
	if !strings.Contains(log.String(), `"decision":"deny"`) {
		t.Errorf("a denied look at one's own is not on record: %s", &log)
	}
}

// fixedMonitor is another implementation, which cannot explain its decisions.
type fixedMonitor job.Decision

func (f fixedMonitor) Decide(context.Context, job.Access) job.Decision { return job.Decision(f) }

func TestLoggedTakesAnyMonitor(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	want := job.Decision{Policy: "house-rule", Visible: true}
	m := cedarauthz.Logged(fixedMonitor(want), slog.New(slog.NewTextHandler(&log, nil)), true)
	p := ann
	for i := range 100 {
		p.Groups = append(p.Groups, fmt.Sprintf("group-%d.", i))
	}
	if got := m.Decide(t.Context(), job.Access{Principal: p, Action: job.ActionSubmit}); got != want {
		t.Errorf("Decide = %+v, want %+v", got, want)
	}
	if !strings.Contains(log.String(), "policy=house-rule") {
		t.Errorf("no policy in %s", &log)
	}
	if strings.Contains(log.String(), "group-20.") {
		t.Errorf("groups are not bounded: %s", &log)
	}
}
