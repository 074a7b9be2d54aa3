package lifecycle_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

// TestProgressIsWrittenSparingly runs a job that says every tenth of a second how far it is:
// the status follows, at the cost of a write in two seconds, which the lease's renewals
// are among. A job that says nothing costs no write.
func TestProgressIsWrittenSparingly(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		every time.Duration
		lease time.Duration
		took  time.Duration
		most  int // writes, the claim and the end among them
		least int
	}{
		"silent and short":    {0, time.Minute, 10 * time.Second, 2, 2},
		"silent":              {0, time.Minute, 65 * time.Second, 5, 5},
		"chatty and short":    {100 * time.Millisecond, time.Minute, 1900 * time.Millisecond, 2, 2},
		"chatty":              {100 * time.Millisecond, time.Minute, 60*time.Second + 50*time.Millisecond, 32, 28},
		"now and then":        {9 * time.Second, time.Minute, 60 * time.Second, 10, 8},
		"chatty, short lease": {100 * time.Millisecond, 9 * time.Second, 20 * time.Second, 16, 10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t)
				s.runner.Lease, s.runner.TimeLimit = tt.lease, time.Hour
				var reported []float64
				s.processor.do = func(_ context.Context, task job.Task) (*job.Result, error) {
					begun := time.Now()
					for time.Since(begun) < tt.took {
						if tt.every == 0 {
							time.Sleep(tt.took)
							break
						}
						time.Sleep(tt.every)
						task.Progress(float64(time.Since(begun))/float64(tt.took), "working")
						synctest.Wait()
						if p := s.document(t, task.ID).Progress; p != nil && p.Note == "working" {
							reported = append(reported, p.Fraction)
						}
					}
					return result("img one"), nil
				}
				j := s.submit(t, "IMG one")
				before := s.store.Calls(jobtest.OpSwap)
				s.drain(t)
				if n := s.store.Calls(jobtest.OpSwap) - before; n > tt.most || n < tt.least {
					t.Errorf("%d writes, want %d to %d", n, tt.least, tt.most)
				}
				if (len(reported) > 0) != (tt.every > 0 && tt.took > 2*time.Second) || !slices.IsSorted(reported) {
					t.Errorf("the document said %v", reported)
				}
				if d := s.document(t, j.ID); d.Status != job.Completed || d.Progress != nil {
					t.Errorf("%s with progress %v", d.Status, d.Progress)
				}
			})
		})
	}
}

// TestProgressIsWrittenSparinglyToFailingStorage checks that a failed write counts as one.
func TestProgressIsWrittenSparinglyToFailingStorage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.processor.do = func(_ context.Context, task job.Task) (*job.Result, error) {
			defer s.store.Inject(jobtest.Fault{Op: jobtest.OpSwap})()
			for i := range 180 {
				task.Progress(float64(i)/180, "working")
				time.Sleep(100 * time.Millisecond)
			}
			return result("img one"), nil
		}
		j := s.submit(t, "IMG one")
		s.drain(t)
		if d, n := s.document(t, j.ID), s.store.Calls(jobtest.OpSwap); d.Status != job.Completed || n > 11 {
			t.Errorf("%s, %d attempts at a write in 18 s", d.Status, n)
		}
	})
}

func TestProgressIsWithinBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		var got []job.Progress
		s.processor.do = func(_ context.Context, task job.Task) (*job.Result, error) {
			for _, f := range []float64{-1, 2, math.NaN(), math.Inf(1)} {
				task.Progress(f, strings.Repeat("ä", 50)+"\xff")
				time.Sleep(3 * time.Second)
				got = append(got, *s.document(t, task.ID).Progress)
			}
			return result("img one"), nil
		}
		s.submit(t, "IMG one")
		s.drain(t)
		for i, want := range []float64{0, 1, 1, 1} {
			if got[i].Fraction != want || got[i].Note != strings.Repeat("ä", 40) {
				t.Errorf("%d: %v", i, got[i])
			}
		}
	})
}

// TestWorkForLongerThanAMessageCanBeHidden has jobs that take up to two days, with one
// worker on each and others that receive whatever becomes visible. No other worker gets
// them, and messages do not come back every minute.
func TestWorkForLongerThanAMessageCanBeHidden(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{time.Minute, time.Hour, 12 * time.Hour} {
		for _, took := range []time.Duration{11 * time.Hour, 13 * time.Hour, 48 * time.Hour} {
			t.Run(fmt.Sprintf("%s of work under leases of %s", took, lease), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSystem(t)
					s.queue.Wait = 20 * time.Second
					s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
						select {
						case <-time.After(took):
						case <-ctx.Done():
							return nil, ctx.Err()
						}
						return result("img one"), nil
					}
					j := s.submit(t, "IMG one")
					ctx, cancel := context.WithCancel(t.Context())
					deliveries := 0
					work := func(name string) {
						r := s.newRunner(name)
						r.Lease, r.TimeLimit = lease, 100*time.Hour
						for ctx.Err() == nil {
							ds, err := s.queue.Receive(ctx, 1, lease)
							if err != nil || len(ds) == 0 {
								continue
							}
							deliveries++
							out := r.Run(ctx, ds[0])
							if err := worker.Settle(ctx, s.queue, ds[0], out); err != nil && ctx.Err() == nil {
								t.Errorf("verdict not settled: %v", err)
							}
						}
					}
					go work("worker-1")
					go work("worker-2")
					time.Sleep(took + time.Minute)
					d := s.document(t, j.ID)
					if d.Status != job.Completed || d.Attempts != 1 || s.processor.calls.Load() != 1 {
						t.Errorf("%s after %d attempts, processed %d times: %s", d.Status, d.Attempts, s.processor.calls.Load(), d.Message)
					}
					if n := s.queue.Calls(jobtest.OpSend); n != 1 {
						t.Errorf("%d messages were sent, want the one of the submit", n)
					}
					time.Sleep(24 * time.Hour) // what is left in the queue comes back, and goes
					cancel()
					synctest.Wait()
					time.Sleep(time.Minute)
					if s.queue.Len() != 0 || deliveries > 30 {
						t.Errorf("%d messages are left after %d deliveries", s.queue.Len(), deliveries)
					}
				})
			})
		}
	}
}
