package service

import (
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// resendPause is the minimum time until this process sends a job's message again after
// the queue has accepted it.
const resendPause = 5 * time.Second

// sent records the messages that the queue has accepted in the last seconds, for up to two
// pauses. It drops whole generations, so that it needs no sweep.
type sent struct {
	mu              sync.Mutex // guards what follows
	since           time.Time  // when the latest generation began
	latest, earlier map[sending]struct{}
}

// sending identifies a message: after a redrive, and in a new life of its key, a job
// needs another one.
type sending struct {
	object   job.ID
	redriven int64
}

func sendingOf(j *job.Job) sending { return sending{j.ObjectID(), j.RedrivenAt.UnixNano()} }

func (s *sent) add(j *job.Job, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	s.latest[sendingOf(j)] = struct{}{}
}

func (s *sent) has(j *job.Job, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	m := sendingOf(j)
	_, latest := s.latest[m]
	_, earlier := s.earlier[m]
	return latest || earlier
}

// forget is called with mu held.
func (s *sent) forget(now time.Time) {
	age := now.Sub(s.since)
	if age < resendPause {
		return
	}
	s.earlier, s.latest, s.since = s.latest, map[sending]struct{}{}, now
	if age >= 2*resendPause {
		s.earlier = nil
	}
}
