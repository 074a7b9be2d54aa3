package cedarauthz

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
)

// TestSchemaHasTheActionsOfTheService fails when an action is only in the code or only in
// the schema: the monitor would always deny it, or a policy could name what does not
// exist.
func TestSchemaHasTheActionsOfTheService(t *testing.T) {
	t.Parallel()
	v, err := loadSchema()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(job.Actions(), slices.Sorted(maps.Keys(v.actions))); diff != "" {
		t.Errorf("actions of package job (-) and of schema.cedarschema (+):\n%s", diff)
	}
}

// Translated questions match the schema, for every action and with every optional part
// present and absent.
func TestTranslationConformsToSchema(t *testing.T) {
	t.Parallel()
	v, err := loadSchema()
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{AdminGroup: "ops"})
	if err != nil {
		t.Fatal(err)
	}
	j := &job.Job{ID: job.NewID(), Owner: "i|s", Status: job.Completed, CreatedAt: time.Unix(1, 0)}
	full := job.Principal{Issuer: "i", Subject: "s", Groups: []string{"a", "b", "a"}, Email: "s@i", EmailVerified: true}
	var questions []job.Access
	for action, on := range m.actions {
		if on.job {
			questions = append(questions, job.Access{Action: action, Job: j})
		}
		if on.account || on.service {
			questions = append(questions, job.Access{Action: action})
		}
	}
	for _, q := range questions {
		for _, p := range []job.Principal{full, {Issuer: "i", Subject: "s"}} {
			for _, source := range []string{"", "192.0.2.1", "2001:db8::1"} {
				q.Principal, q.Owner, q.Time = p, "i|s", time.Unix(1000, 0)
				q.Source, _ = netip.ParseAddr(source)
				if why := m.guard(q); why != "" {
					t.Fatalf("%s: guarded: %s", q.Action, why)
				}
				req, ents := m.translate(q)
				if err := v.validator.Request(req); err != nil {
					t.Errorf("%s: %v", q.Action, err)
				}
				all := cedar.EntityMap{ents.principal.UID: ents.principal, ents.resource.UID: ents.resource}
				if err := v.validator.Entities(all); err != nil {
					t.Errorf("%s: %v in %v", q.Action, err, all)
				}
			}
		}
	}
}
