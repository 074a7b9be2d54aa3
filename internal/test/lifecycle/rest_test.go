package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// TestRestThatIsLongerThanTheQueueHides has a processor ask for an hour of rest where the
// queue hides a message for ten minutes at most. The document keeps the time.
func TestRestThatIsLongerThanTheQueueHides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.queue.Longest = 10 * time.Minute
		busy := true
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			if busy {
				busy = false
				return nil, &job.Error{Kind: job.Unavailable, Message: "busy", RetryAfter: time.Hour}
			}
			return result("img one"), nil
		}
		start := time.Now()
		j := s.submit(t, "IMG one")
		for s.document(t, j.ID).Status != job.Completed && time.Since(start) < 5*time.Hour {
			ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range ds {
				if err := worker.Settle(t.Context(), s.queue, d, s.runner.Run(t.Context(), d)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		took := time.Since(start)
		if d := s.document(t, j.ID); d.Status != job.Completed || d.Attempts != 2 || !d.NotBefore.IsZero() || took < time.Hour || took > 2*time.Hour {
			t.Errorf("after %s: %+v", took, d)
		}
	})
}

// TestDeliveryOfUnknownCount has a queue that does not count deliveries, and storage that
// fails: the message rests for a while.
func TestDeliveryOfUnknownCount(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	s.store.PutRaw(j.ID, []byte("{"))
	d := s.receive(t)
	d.Received = 0
	if out := s.runner.Run(t.Context(), d); out.Verdict != worker.Later || out.After <= 0 {
		t.Errorf("outcome is %+v", out)
	}
}
