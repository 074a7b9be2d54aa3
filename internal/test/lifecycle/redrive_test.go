package lifecycle_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/worker"
)

// failAll has the processor refuse everything.
func failAll(context.Context, job.Task) (*job.Result, error) {
	return nil, job.Errorf(job.Invalid, "the lens cap was on")
}

// failed submits a job that has failed for good.
func (s *system) failed(t *testing.T, image string) *job.Job {
	t.Helper()
	j := s.submit(t, image)
	s.processor.do = failAll
	s.drain(t)
	s.processor.do = nil
	return s.document(t, j.ID)
}

func (s *system) redrive(t *testing.T, id job.ID, opts redrive.Options) redrive.Result {
	t.Helper()
	got, err := s.redriver.Redrive(t.Context(), id, opts)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	was := s.failed(t, "IMG one")
	if was.Status != job.Failed || s.ledger.bills(was.ID) != 1 {
		t.Fatalf("before: %+v, %d bills", was, s.ledger.bills(was.ID))
	}
	s.advance(30 * time.Hour) // another day
	if got := s.redrive(t, was.ID, redrive.Options{DryRun: true}); got != redrive.Requeued || s.document(t, was.ID).Status != job.Failed || s.queue.Len() != 0 {
		t.Errorf("a dry run says %q and leaves %+v", got, s.document(t, was.ID))
	}
	if got := s.redrive(t, was.ID, redrive.Options{}); got != redrive.Requeued {
		t.Fatalf("it was %q", got)
	}
	j := s.document(t, was.ID)
	if j.Status != job.Pending || j.Attempts != 0 || j.Message != "" || !j.BilledAt.Equal(was.EndedAt) || s.queue.Len() != 1 {
		t.Errorf("put back: %+v, %d messages", j, s.queue.Len())
	}
	s.drain(t)
	if j = s.document(t, was.ID); j.Status != job.Completed || j.Attempts != 1 || s.output(t, j.ID) != "img one" {
		t.Errorf("in the end: %+v", j)
	}
	if n := s.ledger.bills(was.ID); n != 1 {
		t.Errorf("it is billed %d times", n)
	}
	if got := s.redrive(t, was.ID, redrive.Options{}); got != redrive.Finished {
		t.Errorf("once more: %q", got)
	}
}

// TestRedriveAgainAndAgain fails a job on three days: one bill, of the first.
func TestRedriveAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	first := s.failed(t, "IMG one")
	for range 3 {
		s.advance(25 * time.Hour)
		s.redrive(t, first.ID, redrive.Options{})
		s.processor.do = failAll
		s.drain(t)
		j := s.document(t, first.ID)
		if j.Status != job.Failed || !j.BilledAt.Equal(first.EndedAt) || s.ledger.bills(j.ID) != 1 {
			t.Fatalf("%+v, %d bills", j, s.ledger.bills(j.ID))
		}
	}
}

// TestRedriveOfAnUnbilledEnd redrives a job whose worker died before it could write the
// bill. There is one bill in the end, for the first end, from any process.
func TestRedriveOfAnUnbilledEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	s.processor.do = failAll
	s.ledger.fail = 1
	ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if out := s.runner.Run(t.Context(), ds[0]); out.Verdict != worker.Later || s.ledger.has(j.ID) {
		t.Fatalf("got %+v", out)
	}
	s.processor.do = nil
	s.advance(30 * time.Hour)
	s.redrive(t, j.ID, redrive.Options{})
	s.drain(t)
	if n := s.ledger.bills(j.ID); n != 1 || s.document(t, j.ID).Status != job.Completed {
		t.Errorf("%d bills of %+v", n, s.document(t, j.ID))
	}
}

// TestJobsThatRedriveIgnores asks for jobs in every other state.
func TestJobsThatRedriveIgnores(t *testing.T) {
	t.Parallel()
	lost := func(s *system, t *testing.T) job.ID { // claimed by a worker that died
		j := s.submit(t, "IMG one")
		next := jobtest.Claimed(s.document(t, j.ID), "dead")
		next.StartedAt = next.UpdatedAt
		if _, err := s.store.Swap(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		return j.ID
	}
	tests := map[string]struct {
		make        func(s *system, t *testing.T) job.ID
		want        redrive.Result
		undelivered redrive.Result // when its message is known not to arrive
	}{
		"pending":    {func(s *system, t *testing.T) job.ID { return s.submit(t, "IMG one").ID }, redrive.StillPending, redrive.SentAgain},
		"processing": {lost, redrive.InWork, redrive.SentAgain},
		"completed": {func(s *system, t *testing.T) job.ID {
			j := s.submit(t, "IMG one")
			s.drain(t)
			return j.ID
		}, redrive.Finished, redrive.Finished},
		"nothing": {func(*system, *testing.T) job.ID { return job.NewID() }, redrive.NotThere, redrive.NotThere},
		"being deleted": {func(s *system, t *testing.T) job.ID {
			j := s.failed(t, "IMG one")
			s.store.Inject(jobtest.Fault{Op: jobtest.OpRemove, Call: 1})
			if s.service.Delete(t.Context(), alice, j.ID) == nil {
				t.Fatal("no error")
			}
			return j.ID
		}, redrive.NotThere, redrive.NotThere},
		"never accepted": {func(s *system, t *testing.T) job.ID {
			s.queue.Inject(jobtest.Fault{Op: jobtest.OpSend, Call: 1})
			j, err := s.post(t.Context(), alice, submission("IMG one"))
			if err == nil {
				t.Fatal("no error")
			}
			return j.ID
		}, redrive.NeverAccepted, redrive.NeverAccepted},
		"never uploaded": {func(s *system, t *testing.T) job.ID {
			j, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7})
			if err != nil {
				t.Fatal(err)
			}
			s.advance(2 * time.Hour)
			return j.ID
		}, redrive.NeverUploaded, redrive.NeverUploaded},
		"failed, its image gone": {func(s *system, t *testing.T) job.ID {
			j := s.failed(t, "IMG one")
			if err := s.store.Remove(t.Context(), job.Input, j.ID, ""); err != nil {
				t.Fatal(err)
			}
			return j.ID
		}, redrive.ImageGone, redrive.ImageGone},
		"effectively failed: no worker came": {func(s *system, t *testing.T) job.ID {
			j := s.submit(t, "IMG one")
			s.advance(retention + time.Hour)
			return j.ID
		}, redrive.Requeued, redrive.Requeued},
		"effectively failed: the worker was lost": {func(s *system, t *testing.T) job.ID {
			id := lost(s, t)
			s.advance(retention + time.Hour)
			return id
		}, redrive.Requeued, redrive.Requeued},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			id := tt.make(s, t)
			if got := s.redrive(t, id, redrive.Options{DryRun: true, Undelivered: true}); got != tt.undelivered {
				t.Errorf("with its message undelivered it would be %q, want %q", got, tt.undelivered)
			}
			messages := s.queue.Len()
			if got := s.redrive(t, id, redrive.Options{}); got != tt.want {
				t.Errorf("it was %q, want %q", got, tt.want)
			}
			if n := s.queue.Len() - messages; (n == 1) != (tt.want == redrive.Requeued) {
				t.Errorf("%d messages were sent", n)
			}
			if tt.want != redrive.Requeued {
				return
			}
			if j, err := s.service.Status(t.Context(), alice, id); err != nil || j.Status != job.Pending {
				t.Errorf("its status is %+v, %v", j, err)
			}
			if got := s.redrive(t, id, redrive.Options{Owner: "other|owner"}); got != redrive.NotAsked {
				t.Errorf("for another owner it was %q", got)
			}
			s.drain(t)
			if j := s.document(t, id); j.Status != job.Completed || s.ledger.bills(id) != 1 {
				t.Errorf("in the end %+v, billed %d times", j, s.ledger.bills(id))
			}
		})
	}
}

// TestRedrivenJobIsNotFailedByAge redrives an old job: while a worker takes it over from
// one that was lost, its effective status must not be failed because of its age.
func TestRedrivenJobIsNotFailedByAge(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.failed(t, "IMG one")
	s.advance(retention + time.Hour)
	s.redrive(t, j.ID, redrive.Options{})
	next := jobtest.Claimed(s.document(t, j.ID), "dead")
	next.StartedAt, next.UpdatedAt, next.LeaseUntil = s.runner.Now(), s.runner.Now(), s.runner.Now().Add(time.Minute)
	if _, err := s.store.Swap(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	s.advance(2 * time.Minute)
	if got, err := s.service.Status(t.Context(), alice, j.ID); err != nil || got.Status != job.Processing {
		t.Errorf("its status is %+v, %v", got, err)
	}
}

// TestRedriveInterrupted fails each call of a redrive before and after it took effect;
// once it is repeated the job is there, queued, and ends well.
func TestRedriveInterrupted(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpLoad, jobtest.OpStat, jobtest.OpSwap, jobtest.OpSend} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			t.Run(fmt.Sprint(op, when), func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				j := s.failed(t, "IMG one")
				fault := jobtest.Fault{Op: op, Call: 1, When: when}
				s.store.Inject(fault)
				s.queue.Inject(fault)
				if _, err := s.redriver.Redrive(t.Context(), j.ID, redrive.Options{}); err == nil {
					t.Error("no error")
				}
				if got := s.redrive(t, j.ID, redrive.Options{}); got.Left() {
					t.Errorf("the second time it is %q", got)
				}
				s.drain(t)
				if got := s.document(t, j.ID); got.Status != job.Completed || s.ledger.bills(j.ID) != 1 {
					t.Errorf("in the end %+v", got)
				}
			})
		}
	}
	t.Run("before it began", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.failed(t, "IMG one")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.redriver.Redrive(ctx, j.ID, redrive.Options{}); err == nil {
			t.Error("no error")
		}
		if got := s.document(t, j.ID); got.Status != job.Failed {
			t.Errorf("it is %s", got.Status)
		}
	})
}

// TestLateWorkerLeavesTheNextOutput lets a worker that lost its lease clean up while its
// job, which failed, is put back and completed by another.
func TestLateWorkerLeavesTheNextOutput(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.submit(t, "IMG one")
	second := s.newRunner("worker-2")
	ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
		// Meanwhile: the lease lapses, another worker fails the job, and an operator puts
		// it back. The first worker learns that it failed, and is slow to act on it.
		s.processor.do = failAll
		s.advance(2 * time.Minute)
		again, err := s.queue.Receive(t.Context(), 1, time.Minute)
		if err != nil || len(again) != 1 {
			t.Fatalf("%v, %v", again, err)
		}
		second.Run(t.Context(), again[0])
		s.processor.do = nil
		return result("img one"), nil
	}
	out := s.runner.Run(t.Context(), ds[0])
	if out.Verdict != worker.Done || out.Job.Status != job.Failed {
		t.Fatalf("the late worker: %+v", out)
	}
	if n := s.store.Calls(jobtest.OpRemove); n != 0 {
		t.Errorf("the late worker has removed %d outputs, which may be of the next life", n)
	}
}
