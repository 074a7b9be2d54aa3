package authz

import (
	"context"
	"slices"

	"claimcheck.example/internal/job"
)

// Lister returns a part of its list, without the jobs that its principal may not see.
type Lister func(context.Context, job.Window) (*job.Page, error)

// List lets who list the jobs of owner. The decision is about the list as a whole. Then each
// job on a page is decided like its status, which is not put on record again.
func (a *Authorizer) List(ctx context.Context, who job.Caller, owner string) (Lister, error) {
	if err := a.decide(ctx, who, job.ActionList, owner, nil); err != nil {
		return nil, err
	}
	return func(ctx context.Context, w job.Window) (*job.Page, error) {
		page, err := a.c.Lists.List(ctx, owner, w)
		if err != nil {
			return nil, err
		}
		page.Jobs = slices.DeleteFunc(page.Jobs, func(j *job.Job) bool {
			return j.Deleted || !a.c.Monitor.Decide(ctx, job.Access{
				Principal: who.Principal, Action: job.ActionReadStatus, Job: j, Owner: j.Owner, Source: who.Source, Time: a.c.Now(), Listed: true,
			}).Allow
		})
		return page, nil
	}, nil
}
