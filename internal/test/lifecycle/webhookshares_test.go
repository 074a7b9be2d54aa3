package lifecycle_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// TestWebhooksAreShared: receivers of one owner that hang leave places to another owner, and
// the owner's other messages wait without a try.
func TestWebhooksAreShared(t *testing.T) {
	t.Parallel()
	const places, share = 4, 3 // of the deliverer of newSystem
	bob := job.Caller{Principal: job.Principal{Issuer: "https://id.example", Subject: "bob"}, Source: alice.Source}
	s := newSystem(t)
	var jobs []*job.Job
	for i := range places + 1 {
		caller := alice
		if i == places {
			caller = bob
		}
		j, err := s.post(t.Context(), caller, hooked("IMG"))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	var notices []job.Delivery
	for len(notices) < len(jobs) {
		ds, err := s.queue.Receive(t.Context(), 10, time.Hour)
		if err != nil || len(ds) == 0 {
			t.Fatal(ds, err)
		}
		for _, d := range ds {
			if d.Webhook {
				notices = append(notices, d)
			} else if err := settle(t.Context(), s, d, s.runner.Run(t.Context(), d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	byJob := map[job.ID]job.Delivery{}
	for _, d := range notices {
		byJob[d.JobID] = d
	}
	trying, end := make(chan struct{}), make(chan struct{})
	finish := sync.OnceFunc(func() { close(end) })
	defer finish()
	s.receiver.answer = func(int) (int, time.Duration, error) {
		trying <- struct{}{}
		<-end
		return http.StatusOK, 0, nil
	}
	outcomes := make(chan worker.Outcome, len(jobs))
	run := func(j *job.Job) { go func() { outcomes <- s.deliverer.Run(t.Context(), byJob[j.ID]) }() }
	for _, j := range jobs[:share] {
		run(j)
		<-trying
	}
	run(jobs[share])
	select {
	case out := <-outcomes:
		if out.Verdict != worker.Later || out.After < time.Second || out.Err != nil {
			t.Errorf("one more try of the owner: %+v", out)
		}
	case <-trying:
		t.Fatal("an owner has more tries at once than its share")
	}
	run(jobs[places])
	<-trying // of the other owner
	finish()
	for range places {
		if out := <-outcomes; out.Verdict != worker.Done || out.Err != nil {
			t.Errorf("a try: %+v", out)
		}
	}
	s.receiver.answer = nil
	if out := s.deliverer.Run(t.Context(), byJob[jobs[share].ID]); out.Verdict != worker.Done {
		t.Errorf("the owner's next try, when places are free again: %+v", out)
	}
	s.receiver.noLies(t)
}

// TestEveryTryGivesItsPlaceBack ends tries of one owner in each way that is not an answer, as
// often as the owner has places, and makes one more.
func TestEveryTryGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	const share = 3 // of the deliverer of newSystem
	s := newSystem(t)
	j := s.submitHooked(t, "IMG")
	d := s.receive(t)
	if err := settle(t.Context(), s, d, s.runner.Run(t.Context(), d)); err != nil {
		t.Fatal(err)
	}
	d = s.receive(t)
	for range share { // tries that a stop interrupts
		ctx, cancel := context.WithCancelCause(t.Context())
		s.receiver.answer = func(int) (int, time.Duration, error) {
			cancel(job.ErrStopping)
			return 0, 0, context.Canceled
		}
		if out := s.deliverer.Run(ctx, d); !errors.Is(out.Err, job.ErrStopping) {
			t.Fatalf("a try that is interrupted: %+v", out)
		}
	}
	s.receiver.answer = func(int) (int, time.Duration, error) { panic("a fault of ours") }
	for range share {
		func() {
			defer func() { recover() }()
			s.deliverer.Run(t.Context(), d)
			t.Error("the try does not panic")
		}()
	}
	s.receiver.answer = func(int) (int, time.Duration, error) { return http.StatusServiceUnavailable, 0, nil }
	for range 1 + share { // the first one sets the pause in which the others come
		if out := s.deliverer.Run(t.Context(), d); out.Verdict != worker.Later || out.Err != nil {
			t.Fatalf("a try that is refused, or comes early: %+v", out)
		}
	}
	s.advance(time.Minute)
	s.receiver.answer = nil
	if out := s.deliverer.Run(t.Context(), d); out.Verdict != worker.Done {
		t.Errorf("the try after them: %+v", out)
	}
	if log := s.events(t, j); log.State != job.EventDelivered || log.Tries != 2 {
		t.Errorf("the log is %+v", log)
	}
}
