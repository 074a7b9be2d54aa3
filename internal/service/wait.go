package service

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

// Wait returns the job's status once it is over, or when d has passed. It reads the
// document as Next does: where the store reports no changes, some 20 times in 20 seconds. waited is false when it
// answered at once because the caller's owner has its share of Limits.Waiters already.
// When ctx ends first, or the service drains, its job is the last one read.
func (s *Service) Wait(ctx context.Context, who job.Caller, id job.ID, d time.Duration) (j *job.Job, waited bool, err error) {
	if d <= 0 {
		j, err = s.Status(ctx, who, id)
		return j, true, err
	}
	deadline := time.Now().Add(d)
	w, j, err := s.Watch(ctx, who, id)
	if err != nil {
		return nil, true, err
	}
	defer w.Close()
	if j.Status.Over() || !w.Follows() {
		return j, j.Status.Over(), nil
	}
	for !j.Status.Over() {
		now, err := w.Next(ctx, time.Until(deadline))
		if err != nil {
			return nil, true, err
		}
		if now == nil {
			break
		}
		j = now
	}
	return j, true, nil
}
