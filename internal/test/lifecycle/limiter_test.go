package lifecycle_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// onePlace is a limiter with one place, which is taken for a while at first.
type onePlace struct {
	taken chan struct{}
	asked []job.Task
}

func takenFor(d time.Duration) *onePlace {
	r := &onePlace{taken: make(chan struct{}, 1)}
	r.taken <- struct{}{}
	time.AfterFunc(d, r.leave)
	return r
}

func (r *onePlace) leave() { <-r.taken }

func (r *onePlace) Acquire(ctx context.Context, t job.Task) (func(), error) {
	r.asked = append(r.asked, t)
	select {
	case r.taken <- struct{}{}:
		return r.leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestWaitForAPlace has a job wait for longer than its lease and its time limit: it keeps
// its lease, and the wait is neither its fault nor on its bill.
func TestWaitForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		onePlace := takenFor(10 * time.Minute)
		s.runner.Limiter = onePlace
		s.processor.do = func(ctx context.Context, task job.Task) (*job.Result, error) {
			if len(onePlace.taken) != 1 {
				t.Error("it works without a place")
			}
			time.Sleep(30 * time.Second)
			return result("img one"), nil
		}
		j := s.submit(t, "IMG PPP")
		ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(5 * time.Minute)
			if d := s.document(t, j.ID); d.Status != job.Processing || time.Now().After(d.LeaseUntil) {
				t.Errorf("while it waits: %+v", d)
			}
			if ds, err := s.queue.Receive(t.Context(), 1, time.Minute); err != nil || len(ds) != 0 {
				t.Errorf("its message is to be had by others: %v, %v", ds, err)
			}
		}()
		out := s.runner.Run(t.Context(), ds[0])
		if d := s.document(t, j.ID); out.Verdict != worker.Done || d.Status != job.Completed || d.Attempts != 1 || math.Abs(d.WorkSeconds-30) > 1 {
			t.Errorf("%v: %+v", out.Verdict, d)
		}
		if len(onePlace.taken) != 0 || len(onePlace.asked) != 1 || onePlace.asked[0].Input.Pixels != 3 {
			t.Errorf("%d in its place, asked for %+v", len(onePlace.taken), onePlace.asked)
		}
	})
}

// TestStopWhileWaitingForAPlace hands the job back, and counts no attempt.
func TestStopWhileWaitingForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.runner.Limiter = takenFor(time.Hour)
		j := s.submit(t, "IMG one")
		ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { stop(job.ErrStopping) })
		out := s.runner.Run(ctx, ds[0])
		if d := s.document(t, j.ID); out.Verdict != worker.Later || d.Attempts != 0 || d.WorkSeconds != 0 || s.processor.calls.Load() != 0 {
			t.Errorf("%v: %+v", out.Verdict, d)
		}
		if err := worker.Settle(t.Context(), s.queue, ds[0], out); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		s.drain(t)
		if d := s.document(t, j.ID); d.Status != job.Completed || d.Attempts != 1 {
			t.Errorf("in the end: %+v", d)
		}
	})
}
