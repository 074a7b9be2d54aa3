package lifecycle_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/worker"
)

// TestCancelPending cancels jobs that no worker has, by their owner, by another principal and
// by time. They cost nothing, and their messages do no harm.
func TestCancelPending(t *testing.T) {
	t.Parallel()
	operator := alice
	operator.Subject = "operator"
	tests := map[string]struct {
		cancel  func(s *system, id job.ID) (*job.Job, error)
		message string
	}{
		"by its owner": {func(s *system, id job.ID) (*job.Job, error) { return s.service.Cancel(t.Context(), alice, id) }, "canceled by its owner"},
		"by another":   {func(s *system, id job.ID) (*job.Job, error) { return s.service.Cancel(t.Context(), operator, id) }, "canceled by an administrator"},
		"by time": {func(s *system, id job.ID) (*job.Job, error) {
			s.advance(time.Minute)
			return s.service.Status(t.Context(), alice, id)
		}, "its Cancel-After of 60 s was over"},
		"after its time": {func(s *system, id job.ID) (*job.Job, error) {
			s.advance(time.Minute)
			return s.service.Cancel(t.Context(), alice, id)
		}, "its Cancel-After of 60 s was over"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			in := submission("IMG one")
			in.CancelAfter = 60
			j, err := s.post(t.Context(), alice, in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.cancel(s, j.ID)
			if err != nil || got.Status != job.StatusCanceled || got.Message != tt.message {
				t.Errorf("got %+v, %v", got, err)
			}
			_, _, err = s.service.Output(t.Context(), alice, j.ID, func(*job.Job) job.OpenOptions { return job.OpenOptions{} })
			wantKind(t, err, job.NotFound)
			if again, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil || again.Message != tt.message {
				t.Errorf("a second cancellation: %+v, %v", again, err)
			}
			s.drain(t)
			if d := s.document(t, j.ID); d.Status != job.StatusCanceled || d.Message != tt.message || s.processor.calls.Load() != 0 || s.ledger.has(j.ID) {
				t.Errorf("in the end it is %+v, billed: %v", d, s.ledger.has(j.ID))
			}
			if got := s.redrive(t, j.ID, redrive.Options{Undelivered: true}); got != redrive.Canceled || s.queue.Len() != 0 {
				t.Errorf("a redrive: %v", got)
			}
		})
	}
}

// TestCancelUnderAWorker cancels a job in the middle of its work, at different moments between
// two renewals, and with a processor that writes its progress: the work ends within a third
// of the lease, its time is billed and nothing of it is left.
func TestCancelUnderAWorker(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Second, 19 * time.Second, 21 * time.Second, 29 * time.Second, 50 * time.Second} {
		for _, progress := range []time.Duration{0, 3 * time.Second, 18 * time.Second} {
			t.Run(after.String()+", progress each "+progress.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSystem(t)
					s.runner.TimeLimit = time.Hour
					j := s.submit(t, "IMG one")
					var canceled, ended time.Time
					asked := make(chan struct{}) // closed once canceled is set
					go func() {
						time.Sleep(after)
						canceled = time.Now()
						close(asked)
						if got, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil || got.Status != job.StatusCanceled {
							t.Errorf("cancel: %+v, %v", got, err)
						}
						if s.ledger.has(j.ID) {
							t.Error("it is billed before its worker has said what it did")
						}
						out := s.newRunner("worker-2").Run(t.Context(), job.Delivery{Message: job.Message{JobID: j.ID}})
						if out.Verdict != worker.Later || s.ledger.has(j.ID) {
							t.Errorf("a second delivery meanwhile: %+v", out)
						}
					}()
					s.processor.do = func(ctx context.Context, task job.Task) (*job.Result, error) {
						for i := 0; progress > 0; i++ {
							select {
							case <-ctx.Done():
								ended = time.Now()
								return nil, ctx.Err()
							case <-time.After(progress):
								select {
								case <-asked: // it says no more
								default:
									task.Progress(float64(i)/1000, "")
								}
							}
						}
						<-ctx.Done()
						ended = time.Now()
						return nil, ctx.Err()
					}
					s.drain(t)
					<-asked
					if took := ended.Sub(canceled); took > 20*time.Second || took < 0 {
						t.Errorf("the work ended %s after the cancellation", took)
					}
					d := s.document(t, j.ID)
					if worked := ended.Sub(canceled) + after; d.Status != job.StatusCanceled || d.Worker != "" || math.Abs(d.WorkSeconds-worked.Seconds()) > 0.1 {
						t.Errorf("after %s of work it is %+v", worked, d)
					}
					if rec := s.record(t, j.ID); rec.Outcome != job.StatusCanceled || rec.ProcessingSeconds != d.WorkSeconds {
						t.Errorf("the bill is %+v", rec)
					}
				})
			})
		}
	}
}

// TestCancelAfterUnderAWorker ends the work at its time, to the second.
func TestCancelAfterUnderAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		in := submission("IMG one")
		in.CancelAfter = 7
		j, err := s.post(t.Context(), alice, in)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
			<-ctx.Done()
			if took := time.Since(begin); took.Round(time.Second) != 7*time.Second {
				t.Errorf("the work ended after %s", took)
			}
			return nil, ctx.Err()
		}
		s.drain(t)
		if d := s.document(t, j.ID); d.Status != job.StatusCanceled || d.Message != "its Cancel-After of 7 s was over" || s.record(t, j.ID).Outcome != job.StatusCanceled {
			t.Errorf("it is %+v", d)
		}
	})
}

// TestCancelAtTheLastMoment cancels a job whose output is there already, with each call that
// follows failing before and after it takes effect: the output goes, and the bill comes.
func TestCancelAtTheLastMoment(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{"", jobtest.OpSwap, jobtest.OpLoad, jobtest.OpRemove} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			for call := 1; call <= 3; call++ {
				s := newSystem(t)
				j := s.submit(t, "IMG one")
				mend := func() {}
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
					r := result("img one")
					r.Units = func() float64 { // after the output is staged
						if _, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil {
							t.Error(err)
						}
						if op != "" {
							mend = s.store.Inject(jobtest.Fault{Op: op, Call: call, When: when})
						}
						return 0
					}
					return r, nil
				}
				s.drain(t)
				mend()
				if d := s.document(t, j.ID); d.Status != job.StatusCanceled || s.ledger.bills(j.ID) != 1 || s.store.Objects(job.Output) != 0 {
					t.Errorf("%s %d fails: %+v, billed %d times, %d outputs", op, call, d, s.ledger.bills(j.ID), s.store.Objects(job.Output))
				}
			}
		}
	}
}

// TestCancelOfEndedJob is a conflict, and so is the commit of a canceled announcement.
func TestCancelOfEndedJob(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	done := s.submit(t, "IMG one")
	s.drain(t)
	_, err := s.service.Cancel(t.Context(), alice, done.ID)
	wantKind(t, err, job.Conflict)
	lost := s.submit(t, "IMG two")
	s.advance(retention + time.Hour) // no worker can start it any more
	_, err = s.service.Cancel(t.Context(), alice, lost.ID)
	wantKind(t, err, job.Conflict)
	announced, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.service.Cancel(t.Context(), alice, announced.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.service.Commit(t.Context(), alice, announced.ID, nil)
	wantKind(t, err, job.Conflict)
	if _, err := s.service.Cancel(t.Context(), alice, job.NewID()); job.KindOf(err) != job.NotFound {
		t.Errorf("of no job: %v", err)
	}
	s.drain(t)
}

// TestCancelBillsADeadWorker cancels a job whose worker died at it: the bill does not wait
// for a message that may be gone.
func TestCancelBillsADeadWorker(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.document(t, s.submit(t, "IMG one").ID)
	now := s.runner.Now()
	j.Status, j.Attempts, j.Worker, j.StartedAt, j.LeaseUntil = job.Processing, 1, "dead", now, now.Add(time.Minute)
	if _, err := s.store.Swap(t.Context(), j.Stamp(now)); err != nil {
		t.Fatal(err)
	}
	s.advance(2 * time.Minute)
	if _, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil {
		t.Fatal(err)
	}
	if n := s.ledger.bills(j.ID); n != 1 {
		t.Errorf("%d bills at once", n)
	}
	s.drain(t)
	if n := s.ledger.bills(j.ID); n != 1 {
		t.Errorf("%d bills after the message came", n)
	}
}
