// Package authz is the only holder of a store for principals.
//
// A job comes out of it together with a decision of the reference monitor, or not at all;
// the output behind a link comes out with the signature of an earlier decision.
// What a method of the service may do next comes out with the same decision: the storage
// that the action needs and no more. The service itself holds no store, so a method that
// asks for no decision has nothing to read or write with, and does not compile.
package authz

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/signature"
)

// Config is what an [Authorizer] is made of. All fields but Outbox and LinkKeys are needed.
type Config struct {
	Store   job.Store
	Outbox  job.Outbox // nil: documents and messages are written one after the other
	Ledger  job.Ledger
	Lists   job.Lists
	Events  job.EventLogs
	Monitor job.Monitor
	Now     func() time.Time
	// LinkKeys sign links to outputs; none: there are no links.
	LinkKeys signature.Keys
}

// Authorizer asks the reference monitor about every action of a principal. It is safe for
// concurrent use.
type Authorizer struct{ c Config }

// New returns an authorizer with that configuration.
func New(c Config) *Authorizer { return &Authorizer{c} }

// Writer is the storage for a submit and a commit: documents, images and the list.
type Writer struct {
	Documents job.Documents
	Objects   job.Objects
	Outbox    job.Outbox // may be nil
	Lists     job.Lists
}

// Canceler is the storage for a cancellation: documents, and the ledger for the bill.
type Canceler struct {
	Documents job.Documents
	Ledger    job.Ledger
}

// Remover is what a deletion needs: what a [Writer] has, the ledger for the bill, and the
// event logs.
type Remover struct {
	Writer
	Ledger job.Ledger
	Events job.EventLogs
}

// Opener opens the output of the one job that came with it, or a part of that output.
type Opener func(context.Context, job.OpenOptions) (*job.Content, error)

// Submit allows who to submit jobs of its own.
func (a *Authorizer) Submit(ctx context.Context, who job.Caller) (Writer, error) {
	if err := a.decide(ctx, who, job.ActionSubmit, who.Owner(), nil); err != nil {
		return Writer{}, err
	}
	return a.writer(), nil
}

// Commit returns a job whose upload who may commit.
func (a *Authorizer) Commit(ctx context.Context, who job.Caller, id job.ID) (*job.Job, Writer, error) {
	j, err := a.find(ctx, who, job.ActionSubmit, id)
	if err != nil {
		return nil, Writer{}, err
	}
	return j, a.writer(), nil
}

// Status returns a job whose document who may see.
func (a *Authorizer) Status(ctx context.Context, who job.Caller, id job.ID) (*job.Job, error) {
	return a.find(ctx, who, job.ActionReadStatus, id)
}

// Output returns a job whose output who may fetch.
func (a *Authorizer) Output(ctx context.Context, who job.Caller, id job.ID) (*job.Job, Opener, error) {
	j, err := a.find(ctx, who, job.ActionReadOutput, id)
	if err != nil {
		return nil, nil, err
	}
	return j, a.opener(j), nil
}

func (a *Authorizer) opener(j *job.Job) Opener {
	return func(ctx context.Context, o job.OpenOptions) (*job.Content, error) {
		return a.c.Store.Open(ctx, job.Output, j.OutputObject(), o)
	}
}

// Cancel returns a job that who may cancel.
func (a *Authorizer) Cancel(ctx context.Context, who job.Caller, id job.ID) (*job.Job, Canceler, error) {
	j, err := a.find(ctx, who, job.ActionCancel, id)
	if err != nil {
		return nil, Canceler{}, err
	}
	return j, Canceler{a.c.Store, a.c.Ledger}, nil
}

// Delete returns a job that who may delete, also one whose deletion has begun.
func (a *Authorizer) Delete(ctx context.Context, who job.Caller, id job.ID) (*job.Job, Remover, error) {
	j, err := a.find(ctx, who, job.ActionDelete, id)
	if err != nil {
		return nil, Remover{}, err
	}
	return j, Remover{a.writer(), a.c.Ledger, a.c.Events}, nil
}

// Deliveries returns a job whose deliveries who may see, and what loads the log of them.
func (a *Authorizer) Deliveries(ctx context.Context, who job.Caller, id job.ID) (*job.Job, func(context.Context) (*job.EventLog, error), error) {
	j, err := a.find(ctx, who, job.ActionReadStatus, id)
	if err != nil {
		return nil, nil, err
	}
	return j, func(ctx context.Context) (*job.EventLog, error) { return a.c.Events.LoadEvents(ctx, j.ObjectID()) }, nil
}

// Redeliver returns a job whose webhook who may send again.
func (a *Authorizer) Redeliver(ctx context.Context, who job.Caller, id job.ID) (*job.Job, job.EventLogs, error) {
	j, err := a.find(ctx, who, job.ActionSubmit, id)
	if err != nil {
		return nil, nil, err
	}
	return j, a.c.Events, nil
}

// Secret lets who have the secret that verifies the webhooks of its own jobs: who may
// submit may.
func (a *Authorizer) Secret(ctx context.Context, who job.Caller) error {
	return a.decide(ctx, who, job.ActionSubmit, who.Owner(), nil)
}

// Usage allows who to read the usage records of owner.
func (a *Authorizer) Usage(ctx context.Context, who job.Caller, owner string) (job.Ledger, error) {
	if err := a.decide(ctx, who, job.ActionReadUsage, owner, nil); err != nil {
		return nil, err
	}
	return a.c.Ledger, nil
}

// Ready reports whether storage answers. The platform asks, not a principal, and learns
// nothing of jobs.
func (a *Authorizer) Ready(ctx context.Context) error { return a.c.Store.Ready(ctx) }

func (a *Authorizer) writer() Writer { return Writer{a.c.Store, a.c.Store, a.c.Outbox, a.c.Lists} }

// find is the only way from an identifier to a job: one read and one decision.
func (a *Authorizer) find(ctx context.Context, who job.Caller, action job.Action, id job.ID) (*job.Job, error) {
	j, err := a.c.Store.Load(ctx, id)
	if err != nil {
		if job.KindOf(err) == job.NotFound {
			return nil, noSuchJob(id)
		}
		return nil, err
	}
	if err := a.decide(ctx, who, action, j.Owner, j); err != nil {
		return nil, err
	}
	if j.Deleted && action != job.ActionDelete {
		return nil, noSuchJob(id)
	}
	return j, nil
}

// decide asks the monitor one question. A denial for a job that the caller may not see is
// NotFound, as if the job did not exist.
func (a *Authorizer) decide(ctx context.Context, who job.Caller, action job.Action, owner string, j *job.Job) error {
	d := a.c.Monitor.Decide(ctx, job.Access{
		Principal: who.Principal, Action: action, Job: j, Owner: owner, Source: who.Source, Time: a.c.Now(),
	})
	if d.Allow {
		return nil
	}
	if j != nil && !d.Visible {
		return noSuchJob(j.ID)
	}
	by := ""
	if d.Policy != "" {
		by = " (policy " + d.Policy + ")"
	}
	return job.Errorf(job.Denied, "you may not %s%s; ask the operator of this service for the right", action.Phrase(), by)
}

func noSuchJob(id job.ID) *job.Error {
	return job.Errorf(job.NotFound, "there is no job %s; it may have been deleted or have expired", id)
}
