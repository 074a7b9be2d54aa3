package cedarauthz

import (
	"net/netip"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"

	"claimcheck.example/internal/job"
)

// What questions are translated into is what the schema promises to policies, for
// every action and with every optional part there and absent.
func TestTranslationConformsToSchema(t *testing.T) {
	t.Parallel()
	validator, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{AdminGroup: "ops"})
	if err != nil {
		t.Fatal(err)
	}
	j := &job.Job{ID: job.NewID(), Owner: "i|s", Status: job.Completed, CreatedAt: time.Unix(1, 0)}
	full := job.Principal{Issuer: "i", Subject: "s", Groups: []string{"a", "b", "a"}, Email: "s@i", EmailVerified: true}
	questions := []job.Access{
		{Action: job.ActionSubmit},
		{Action: job.ActionSubmit, Job: j},
		{Action: job.ActionReadStatus, Job: j},
		{Action: job.ActionReadOutput, Job: j},
		{Action: job.ActionDelete, Job: j},
		{Action: job.ActionReadUsage},
		{Action: job.ActionAdminister},
	}
	for _, q := range questions {
		for _, p := range []job.Principal{full, {Issuer: "i", Subject: "s"}} {
			for _, source := range []string{"", "192.0.2.1", "2001:db8::1"} {
				q.Principal, q.Owner, q.Time = p, "i|s", time.Unix(1000, 0)
				q.Source, _ = netip.ParseAddr(source)
				if why := guard(q); why != "" {
					t.Fatalf("%s: guarded: %s", q.Action, why)
				}
				req, ents := m.translate(q)
				if err := validator.Request(req); err != nil {
					t.Errorf("%s: %v", q.Action, err)
				}
				all := cedar.EntityMap{ents.principal.UID: ents.principal, ents.resource.UID: ents.resource}
				if err := validator.Entities(all); err != nil {
					t.Errorf("%s: %v in %v", q.Action, err, all)
				}
			}
		}
	}
}
