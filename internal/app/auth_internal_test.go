package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
)

// TestDecisionsOnRecord asks for a caller's own status: the decision is on record
// where all are asked for, and not by default.
func TestDecisionsOnRecord(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]int{"": 0, "LOG_DECISIONS=denied": 0, "LOG_DECISIONS=all": 1} {
		vars := []string{"S3_BUCKET=b", "SQS_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/1/q", "OIDC_ISSUER=https://idp.example", "OIDC_AUDIENCE=claimcheck"}
		if said != "" {
			vars = append(vars, said)
		}
		c, err := config.Load(config.Server, vars)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		m, err := newMonitor(c, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		alice := job.Principal{Issuer: "https://idp.example", Subject: "alice"}
		j := &job.Job{ID: job.NewID(), Owner: alice.Owner(), Status: job.Pending, CreatedAt: time.Now()}
		if d := m.Decide(t.Context(), job.Access{Principal: alice, Action: job.ActionReadStatus, Owner: alice.Owner(), Job: j, Time: time.Now()}); !d.Allow {
			t.Errorf("%q: %+v", said, d)
		}
		if n := strings.Count(log.String(), "access decision"); n != want {
			t.Errorf("%q: %d decisions are on record, want %d: %s", said, n, want, &log)
		}
	}
}
