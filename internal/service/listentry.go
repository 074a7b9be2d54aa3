package service

import (
	"context"

	"claimcheck.example/internal/job"
)

// enlist adds the job to the list of its owner, once. The entry is a copy of the job,
// which may change during the write.
func (u *submit) enlist(ctx context.Context, entry *job.Job) error {
	if u.listed {
		return nil
	}
	err := u.to.Lists.Enlist(ctx, entry)
	u.listed = err == nil
	return err
}

// unlist undoes enlist for a submit that has lost to another one, whose document is
// given, or nil. An entry with the other job's time belongs to that job. An entry that
// stays after a failure shows no job.
func (u *submit) unlist(ctx context.Context, other *job.Job) {
	if u.listed && (other == nil || !other.CreatedAt.Equal(u.job.CreatedAt)) {
		_ = u.to.Lists.Delist(ctx, u.job)
		u.listed = false
	}
}

// unlistTry removes the entry of the try that the job has replaced.
func (u *submit) unlistTry(ctx context.Context) {
	if u.tried != nil && !u.tried.CreatedAt.Equal(u.job.CreatedAt) {
		_ = u.to.Lists.Delist(ctx, u.tried)
	}
}
