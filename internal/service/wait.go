package service

import (
	"context"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

// Wait returns the job's status once it is over, or when d has passed. It reads the
// document at growing intervals: some 20 times in 20 seconds. waited is false when it
// answered at once because the caller's owner has its share of Limits.Waiters already.
// When ctx ends first, or the service drains, its job is the last one read.
func (s *Service) Wait(ctx context.Context, who job.Caller, id job.ID, d time.Duration) (j *job.Job, waited bool, err error) {
	j, err = s.Status(ctx, who, id)
	if err != nil || j.Status.Over() || d <= 0 {
		return j, true, err
	}
	place, ok := s.waiters.TryAcquire(who.Owner())
	if !ok {
		return j, false, nil
	}
	defer place.Release()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		next := time.NewTimer(pause*3/4 + rand.N(pause/2))
		select {
		case <-next.C:
		case <-deadline.C:
			next.Stop()
			return j, true, nil
		case <-s.draining: // every caller gets an answer before the end
			next.Stop()
			return j, true, nil
		case <-ctx.Done():
			next.Stop()
			return j, true, nil
		}
		now, err := s.Status(ctx, who, id)
		switch {
		case ctx.Err() != nil:
			return j, true, nil
		case err != nil:
			return nil, true, err
		case now.Status.Over():
			return now, true, nil
		}
		j = now
	}
}

// The intervals of Wait. The end of a job that takes milliseconds is seen in milliseconds; one
// that takes minutes costs a read every two seconds.
const (
	firstPause   = 15 * time.Millisecond
	longestPause = 2 * time.Second
)
