package job

import (
	"context"
	"net/netip"
	"time"
)

// Caller is a principal and where it calls from.
type Caller struct {
	Principal
	// Source is the client's address as the transport knows it; may be invalid.
	Source netip.Addr
}

// gate stands between the methods of [Service] and the store: a job comes out of it
// only together with a decision of the monitor, and what writes or reads for a
// principal takes the grant that such a decision left.
type gate struct {
	store   Store
	monitor Monitor
	now     func() time.Time
}

// grant is the mark of a decision that allowed an action. Only ask makes one; the
// zero value opens nothing.
type grant struct{ action Action }

func (g grant) check(allowed ...Action) {
	for _, a := range allowed {
		if g.action == a && a != "" {
			return
		}
	}
	panic("job: store reached without a decision of the reference monitor")
}

// ask puts one question to the monitor. A denial of a thing that the caller may not
// even see is NotFound, as if it did not exist.
func (g *gate) ask(ctx context.Context, who Caller, a Action, owner string, j *Job) (grant, error) {
	d := g.monitor.Decide(ctx, Access{
		Principal: who.Principal, Action: a, Job: j, Owner: owner, Source: who.Source, Time: g.now(),
	})
	if d.Allow {
		return grant{a}, nil
	}
	if j != nil && !d.Visible {
		return grant{}, noSuchJob(j.ID)
	}
	by := ""
	if d.Policy != "" {
		by = " (policy " + d.Policy + ")"
	}
	return grant{}, Errorf(Denied, "you may not %s%s; ask the operator of this service for the right", actionVerbs[a], by)
}

var actionVerbs = map[Action]string{
	ActionSubmit:     "submit jobs",
	ActionReadStatus: "read this job's status",
	ActionReadOutput: "read this job's output",
	ActionDelete:     "delete this job",
	ActionReadUsage:  "read this usage",
	ActionAdminister: "administer jobs",
}

func noSuchJob(id ID) *Error {
	return Errorf(NotFound, "there is no job %s; it may have been deleted or have expired", id)
}

// find is the only way from an identifier to a job: one read and one decision.
func (g *gate) find(ctx context.Context, who Caller, a Action, id ID) (*Job, grant, error) {
	j, err := g.store.Load(ctx, id)
	if err != nil {
		if KindOf(err) == NotFound {
			return nil, grant{}, noSuchJob(id)
		}
		return nil, grant{}, err
	}
	ok, err := g.ask(ctx, who, a, j.Owner, j)
	if err != nil {
		return nil, grant{}, err
	}
	if j.Deleted && a != ActionDelete {
		return nil, grant{}, noSuchJob(id)
	}
	return j, ok, nil
}

// objects hands out the objects of jobs to who may touch them.
func (g *gate) objects(ok grant) Objects {
	ok.check(ActionSubmit, ActionReadOutput, ActionDelete)
	return g.store
}

// documents hands out the documents of jobs to who may change them.
func (g *gate) documents(ok grant) Documents {
	ok.check(ActionSubmit, ActionDelete)
	return g.store
}
