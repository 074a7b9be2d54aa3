package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
)

// deadSystem has so many jobs whose messages have all become dead letters.
func deadSystem(t *testing.T, jobs int) (s *system, dead *jobtest.Queue) {
	t.Helper()
	s = newSystem(t)
	dead = jobtest.NewQueue(t, nil)
	dead.Wait = time.Millisecond
	for range jobs {
		j := s.submit(t, "IMG one")
		if err := dead.Send(t.Context(), job.Message{JobID: j.ID, Owner: j.Owner}); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := s.queue.Receive(t.Context(), 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		if err := s.queue.Delete(t.Context(), d.Receipt); err != nil {
			t.Fatal(err)
		}
	}
	return s, dead
}

// visible returns how many dead letters can be received right now.
func visible(t *testing.T, q *jobtest.Queue) int {
	t.Helper()
	ds, err := q.Receive(t.Context(), 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return len(ds)
}

// TestRedriveDeadKeepsWhatFails fails the redrive of one dead letter, and the removal of
// another: both stay, visible at once, the jobs of the others go on.
func TestRedriveDeadKeepsWhatFails(t *testing.T) {
	t.Parallel()
	s, dead := deadSystem(t, 5)
	dead.PutRaw("not ours")
	s.queue.Inject(jobtest.Fault{Op: jobtest.OpSend, Call: 3})
	dead.Inject(jobtest.Fault{Op: jobtest.OpDelete, Call: 2})
	sent, errs := 0, 0
	n, err := s.redriver.RedriveDead(t.Context(), dead, redrive.Options{}, func(_ job.ID, what redrive.Result, err error) {
		if err != nil {
			errs++
		} else if what == redrive.SentAgain {
			sent++
		}
	})
	if err != nil || n != (redrive.DeadCount{Removed: 3, Kept: 2, Malformed: 1}) || sent != 3 || errs != 2 {
		t.Errorf("%+v, %d sent, %d errors, %v", n, sent, errs, err)
	}
	if got := visible(t, dead); got != 3 {
		t.Errorf("%d dead letters are to be seen, want 3", got)
	}
}

// leaving cancels a context once it has delivered.
type leaving struct {
	*jobtest.Queue
	cancel context.CancelFunc
}

func (q leaving) Receive(ctx context.Context, limit int, visibility time.Duration) ([]job.Delivery, error) {
	defer q.cancel()
	return q.Queue.Receive(ctx, limit, visibility)
}

// TestRedriveDeadInterrupted ends in the middle: what was received is visible at once.
func TestRedriveDeadInterrupted(t *testing.T) {
	t.Parallel()
	s, dead := deadSystem(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	n, err := s.redriver.RedriveDead(ctx, leaving{dead, cancel}, redrive.Options{}, func(id job.ID, _ redrive.Result, _ error) {
		t.Errorf("%s was looked at", id)
	})
	if !errors.Is(err, context.Canceled) || n != (redrive.DeadCount{}) {
		t.Errorf("%+v, %v", n, err)
	}
	if got := visible(t, dead); got != 10 {
		t.Errorf("%d dead letters are to be seen, want 10", got)
	}
}

// TestRedriveDeadWebhook has a dead letter of the webhook of a job that failed: the webhook is
// called again, and the job stays failed.
func TestRedriveDeadWebhook(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.failed(t, "IMG one")
	dead := jobtest.NewQueue(t, nil)
	dead.Wait = time.Millisecond
	if err := dead.Send(t.Context(), job.Message{JobID: j.ID, Owner: j.Owner, Webhook: true}); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		n, err := s.redriver.RedriveDead(t.Context(), dead, redrive.Options{DryRun: dry}, func(_ job.ID, what redrive.Result, err error) {
			if what != redrive.SentAgain || err != nil {
				t.Errorf("it was %q, %v", what, err)
			}
		})
		if err != nil || n != (redrive.DeadCount{Removed: 1}) {
			t.Errorf("%+v, %v", n, err)
		}
	}
	if now := s.document(t, j.ID); now.Version != j.Version {
		t.Errorf("the job was changed to %+v", now)
	}
	if ds, err := s.queue.Receive(t.Context(), 10, time.Minute); err != nil || len(ds) != 1 || !ds[0].Webhook || ds[0].JobID != j.ID {
		t.Errorf("the queue has %+v, %v", ds, err)
	}
}
