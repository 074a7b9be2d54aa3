package lifecycle_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

func TestUsageSumsUpWhatEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.submit(t, "IMG PPP")
		s.submit(t, "IMG")
		bad := s.submit(t, "IMG bad")
		s.processor.do = func(_ context.Context, task job.Task) (*job.Result, error) {
			time.Sleep(100 * time.Millisecond)
			if task.ID == bad.ID {
				return nil, job.Errorf(job.Invalid, "bad")
			}
			r := result("four")
			r.Units = func() float64 { return 0.1 }
			return r, nil
		}
		s.drain(t)
		pending := s.submit(t, "IMG still pending")
		day := s.runner.Now().UTC()
		u, err := s.service.Usage(t.Context(), alice, alice.Owner(), day.AddDate(0, 0, -1), day)
		if err != nil {
			t.Fatal(err)
		}
		want := job.UsageDay{Jobs: 3, Completed: 2, Failed: 1, BytesIn: 17, BytesOut: 8, Pixels: 5, Units: 0.2, ProcessingSeconds: 0.3}
		u.Total.Requests = job.Requests{} // see TestRequestsToComeAreCounted
		if u.Total != want || len(u.Days) != 1 {
			t.Errorf("total is %+v of %d days, want %+v", u.Total, len(u.Days), want)
		}
		if s.ledger.has(pending.ID) {
			t.Error("what never started is billed")
		}
		s.drain(t)
	})
}

func TestUsageOfSomeDays(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	to := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for days, ok := range map[int]bool{0: false, 1: true, 366: true, 367: false} {
		_, err := s.service.Usage(t.Context(), alice, alice.Owner(), to.AddDate(0, 0, 1-days), to)
		if ok && err != nil {
			t.Errorf("%d days: %v", days, err)
		} else if !ok {
			wantKind(t, err, job.Invalid)
		}
	}
}

// record is what a job is billed, which is at most one record.
func (s *system) record(t *testing.T, id job.ID) job.UsageRecord {
	t.Helper()
	var rec job.UsageRecord
	if n := s.ledger.bills(id); n != 1 {
		t.Fatalf("the job is billed %d times", n)
	}
	for _, raw := range s.ledger.records[id] {
		if err := json.Unmarshal(raw, &rec); err != nil {
			t.Fatal(err)
		}
	}
	return rec
}

// TestProcessingTime holds what a client pays for: attempts that came to an end of their
// own, and nothing that a worker's stop or loss has cut off.
func TestProcessingTime(t *testing.T) {
	t.Parallel()
	type step struct {
		takes time.Duration
		end   string // ok, later, or what happens to the worker meanwhile: stop, lost
	}
	tests := map[string]struct {
		steps    []step
		seconds  float64
		attempts int
		outcome  job.Status
	}{
		"at once":            {[]step{{7 * time.Second, "ok"}}, 7, 1, job.Completed},
		"after a failure":    {[]step{{10 * time.Second, "later"}, {20 * time.Second, "ok"}}, 30, 2, job.Completed},
		"after a stop":       {[]step{{10 * time.Second, "stop"}, {20 * time.Second, "ok"}}, 20, 1, job.Completed},
		"after a loss":       {[]step{{10 * time.Second, "lost"}, {20 * time.Second, "ok"}}, 20, 2, job.Completed},
		"never":              {[]step{{1 * time.Second, "later"}, {2 * time.Second, "later"}, {3 * time.Second, "later"}}, 6, 3, job.Failed},
		"lost for the third": {[]step{{1 * time.Second, "later"}, {2 * time.Second, "lost"}, {3 * time.Second, "lost"}, {}}, 1, 3, job.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t)
				s.runner.Processor = worksFor{}
				j := s.submit(t, "IMG one")
				for _, step := range tt.steps {
					s.advance(time.Hour) // past back-off, and past the lease of the lost
					d := s.receive(t)
					ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), worksFor{}, step.takes))
					ctx = context.WithValue(ctx, endsWith{}, step.end)
					if step.end == "stop" {
						time.AfterFunc(step.takes/2, func() { cancel(job.ErrStopping) })
					}
					mend := make(chan func(), 1)
					if step.end == "lost" { // nothing that it writes arrives after its claim
						time.AfterFunc(step.takes/2, func() { mend <- s.store.Inject(jobtest.Fault{Op: jobtest.OpSwap}) })
					} else {
						mend <- func() {}
					}
					out := s.runner.Run(ctx, d)
					(<-mend)()
					cancel(nil)
					if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
						t.Fatal(err)
					}
				}
				rec := s.record(t, j.ID)
				if rec.ProcessingSeconds != tt.seconds || rec.Attempts != tt.attempts || rec.Outcome != tt.outcome {
					t.Errorf("billed %v s in %d attempts, %s; want %v in %d, %s", rec.ProcessingSeconds, rec.Attempts, rec.Outcome, tt.seconds, tt.attempts, tt.outcome)
				}
			})
		})
	}
}

// worksFor takes as long as its context says under this key, and ends as the one under
// endsWith says.
type worksFor struct{}
type endsWith struct{}

func (worksFor) Process(ctx context.Context, _ job.Task) (*job.Result, error) {
	select {
	case <-time.After(ctx.Value(worksFor{}).(time.Duration)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if ctx.Value(endsWith{}) == "later" {
		return nil, job.Errorf(job.Unavailable, "later")
	}
	return result("img one"), nil
}

// TestDeletionIsNoDiscount deletes jobs at all points of their life: work that was done
// is billed, once.
func TestDeletionIsNoDiscount(t *testing.T) {
	t.Parallel()
	remove := func(t *testing.T, s *system, id job.ID) {
		if err := s.service.Delete(t.Context(), alice, id); err != nil {
			t.Error(err)
		}
	}
	tests := map[string]struct {
		run     func(t *testing.T, s *system, id job.ID)
		seconds float64
		outcome job.Status
	}{
		"while it is processed": {func(t *testing.T, s *system, id job.ID) {
			time.AfterFunc(70*time.Second, func() { remove(t, s, id) })
			s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
				<-ctx.Done() // the renewal at 80 s finds out
				return nil, ctx.Err()
			}
			s.runner.TimeLimit = time.Hour
		}, 80, "deleted"},
		"between two attempts": {func(t *testing.T, s *system, id job.ID) {
			s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
				time.Sleep(3 * time.Second)
				time.AfterFunc(time.Second, func() { remove(t, s, id) })
				return nil, job.Errorf(job.Unavailable, "later")
			}
		}, 3, "deleted"},
		"completed, and the ledger failed": {func(t *testing.T, s *system, id job.ID) {
			s.ledger.fail = 1
			s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
				time.Sleep(4 * time.Second)
				time.AfterFunc(time.Second, func() { remove(t, s, id) })
				return result("img one"), nil
			}
		}, 4, job.Completed},
		"completed and billed": {func(t *testing.T, s *system, id job.ID) {
			s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
				time.Sleep(5 * time.Second)
				time.AfterFunc(48*time.Hour, func() { remove(t, s, id) })
				return result("img one"), nil
			}
		}, 5, job.Completed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t)
				j := s.submit(t, "IMG PPP")
				tt.run(t, s, j.ID)
				d := s.receive(t)
				out := s.runner.Run(t.Context(), d)
				time.Sleep(49 * time.Hour)
				if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
					t.Fatal(err)
				}
				s.drain(t)
				s.wantNothing(t)
				rec := s.record(t, j.ID)
				if rec.ProcessingSeconds != tt.seconds || rec.Outcome != tt.outcome || rec.Pixels != 3 || rec.Owner != alice.Owner() {
					t.Errorf("billed %+v, want %v s, %s", rec, tt.seconds, tt.outcome)
				}
			})
		})
	}
	t.Run("the ledger fails", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		s.drain(t)
		s.ledger.fail = 1
		if s.service.Delete(t.Context(), alice, j.ID) == nil {
			t.Error("no error")
		}
		remove(t, s, j.ID) // it can be repeated
		s.wantNothing(t)
	})
	t.Run("nothing was done", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		remove(t, s, j.ID)
		if s.ledger.has(j.ID) {
			t.Error("it is billed")
		}
	})
}
