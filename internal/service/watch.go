package service

import (
	"context"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

// Wait returns the job's status once it is over, or when d has passed. It reads the document
// as Next does: where the store reports no changes, some 20 times in 20 seconds. waited is
// false when it answers at once because the caller's owner has its share of Limits.Waiters
// already.
// When ctx ends first, or the service drains, its job is the last one read.
func (s *Service) Wait(ctx context.Context, who job.Caller, id job.ID, d time.Duration) (j *job.Job, waited bool, err error) {
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

// Watch follows the status of one job for one caller. One goroutine uses and closes it.
type Watch struct {
	s        *Service
	who      job.Caller
	id       job.ID
	last     *job.Job
	pause    time.Duration  // before the next read
	place    *limiter.Lease // nil when there is none for the caller
	follower job.Follower
	failed   bool // the last read
}

// Watch returns the job's status, and what follows it. A watch takes one of Limits.Waiters,
// unless the job is over or the caller's owner has its share of them: then Follows is false.
func (s *Service) Watch(ctx context.Context, who job.Caller, id job.ID) (*Watch, *job.Job, error) {
	w := &Watch{s: s, who: who, id: id, pause: firstPause, follower: s.changes.Follow(id)}
	j, err := s.Status(ctx, who, id) // after Follow, so that no change is missed in between
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	w.last = j
	if !j.Status.Over() {
		w.place, _ = s.waiters.TryAcquire(who.Owner())
	}
	return w, j, nil
}

// Follows reports whether Next waits for changes.
func (w *Watch) Follows() bool { return w.place != nil }

// Close gives the place back.
func (w *Watch) Close() {
	w.follower.Close()
	if w.place != nil {
		w.place.Release()
	}
}

// Next waits up to d for a change of the status and returns the job then. It returns nil when
// d has passed, when ctx ends and when the service drains. It reads the document when the
// store reports a change. Where the store reports none, it reads at growing intervals, which
// begin anew with each change from one status to another.
func (w *Watch) Next(ctx context.Context, d time.Duration) (*job.Job, error) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for {
		next := time.NewTimer(w.untilRead())
		select {
		case <-next.C:
			w.pause = min(w.pause*3/2, longestPause)
		case <-w.follower.Changed():
			next.Stop()
		case <-deadline.C:
			next.Stop()
			return nil, nil
		case <-w.s.draining: // every caller gets an answer before the end
			next.Stop()
			return nil, nil
		case <-ctx.Done():
			next.Stop()
			return nil, nil
		}
		now, err := w.s.Status(ctx, w.who, w.id)
		w.failed = err != nil
		switch was := w.last; {
		case ctx.Err() != nil:
			return nil, nil
		case err != nil:
			return nil, err
		case now.Status != was.Status:
			w.pause = firstPause
			fallthrough
		case now.Version != was.Version:
			w.last = now
			return now, nil
		}
	}
}

// untilRead returns the pause before the next read, unless a change is reported sooner.
func (w *Watch) untilRead() time.Duration {
	if w.follower.Live() && !w.failed {
		pause := livePause
		if at := w.last.CancelAt(); !at.IsZero() { // a job that is canceled by time changes without a write
			pause = min(pause, max(at.Sub(w.s.now()), firstPause))
		}
		return pause
	}
	pause := w.pause
	if w.place != nil { // the more an owner watches, the less often each is read
		pause = min(pause*time.Duration(1+w.place.Held()/crowd), longestPause)
	}
	return pause*3/4 + rand.N(pause/2)
}

// Draining reports whether the service is about to end.
func (w *Watch) Draining() bool {
	select {
	case <-w.s.draining:
		return true
	default:
		return false
	}
}

// crowd is the number of watches of an owner above which all of its watches slow down.
// Otherwise the reads of many watches would delay those of other owners.
const crowd = 8

// The intervals between reads. The end of a job that takes milliseconds is seen in
// milliseconds; one that takes minutes costs a read every two seconds.
const (
	firstPause   = 15 * time.Millisecond
	longestPause = 2 * time.Second
)

// livePause is the interval between reads while the store reports changes. A report may be
// lost with the process that made the change.
const livePause = 10 * time.Second
