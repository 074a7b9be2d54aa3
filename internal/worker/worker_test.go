package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a worker over q until stop is called, which waits for its end.
func serve(t *testing.T, q job.Queue, concurrency int, grace time.Duration, run func(context.Context, job.Delivery) worker.Outcome) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := worker.New(worker.Config{Queue: q, Run: run, Concurrency: concurrency, Visibility: time.Minute, Grace: grace, Logger: slog.New(slog.DiscardHandler)})
	go func() { done <- w.Serve(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func queueOf(t *testing.T, n int) *jobtest.Queue {
	t.Helper()
	q := jobtest.NewQueue(t, nil)
	q.Wait = 10 * time.Millisecond
	for range n {
		if err := q.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "a|b"}); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

// until polls until ok holds.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not come to that")
		}
	}
}

func TestVerdictsAreSent(t *testing.T) {
	t.Parallel()
	for verdict, left := range map[worker.Verdict]int{worker.Done: 0, worker.Never: 0, worker.Later: 3} {
		q := queueOf(t, 3)
		var seen atomic.Int64
		stop := serve(t, q, 2, time.Second, func(context.Context, job.Delivery) worker.Outcome {
			seen.Add(1)
			return worker.Outcome{Verdict: verdict, After: time.Hour}
		})
		until(t, func() bool { return seen.Load() == 3 && q.Calls(jobtest.OpDelete)+q.Calls(jobtest.OpExtend) == 3 })
		stop()
		if got := q.Len(); got != left {
			t.Errorf("%s leaves %d messages, want %d", verdict, got, left)
		}
	}
}

func TestNoMoreAtOnceThanAllowed(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 30)
	var now, most, all atomic.Int64
	stop := serve(t, q, 4, time.Second, func(context.Context, job.Delivery) worker.Outcome {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		now.Add(-1)
		all.Add(1)
		return worker.Outcome{Verdict: worker.Done}
	})
	until(t, func() bool { return all.Load() == 30 })
	stop()
	if most.Load() > 4 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestStopInTwoPhases(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 2)
	started := make(chan struct{}, 2)
	var interrupted atomic.Int64
	stop := serve(t, q, 2, 20*time.Millisecond, func(ctx context.Context, _ job.Delivery) worker.Outcome {
		started <- struct{}{}
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), job.ErrStopping) {
			interrupted.Add(1)
		}
		return worker.Outcome{Verdict: worker.Later}
	})
	<-started
	<-started
	stop()
	if interrupted.Load() != 2 || q.Len() != 2 {
		t.Errorf("%d got the cause, %d messages are back", interrupted.Load(), q.Len())
	}
	if ds, err := q.Receive(t.Context(), 2, time.Minute); err != nil || len(ds) != 2 {
		t.Errorf("at once there are %d to be had, %v", len(ds), err)
	}
}

func TestRunningWorkEndsWithinTheGrace(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 1)
	started, release := make(chan struct{}), make(chan struct{})
	stop := serve(t, q, 1, time.Minute, func(ctx context.Context, _ job.Delivery) worker.Outcome {
		close(started)
		<-release
		if ctx.Err() != nil {
			t.Error("it was interrupted")
		}
		return worker.Outcome{Verdict: worker.Done}
	})
	<-started
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(release)
	<-stopped
	if q.Len() != 0 {
		t.Error("its end was not reported")
	}
}

func TestQueueThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 1)
	q.Inject(jobtest.Fault{Op: jobtest.OpReceive, Call: 1})
	var ran atomic.Bool
	stop := serve(t, q, 1, time.Second, func(context.Context, job.Delivery) worker.Outcome {
		ran.Store(true)
		return worker.Outcome{Verdict: worker.Done}
	})
	until(t, func() bool { return ran.Load() && q.Len() == 0 })
	stop()
}

// TestIdleWorkerEnds fills a queue for a worker that may end: it works everything, a job
// that takes long too, and then Serve returns by itself.
func TestIdleWorkerEnds(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 3)
	var seen atomic.Int64
	done := make(chan error, 1)
	const idle = 20 * time.Millisecond
	run := func(context.Context, job.Delivery) worker.Outcome {
		if seen.Add(1) == 3 {
			begin, polls := time.Now(), q.Calls(jobtest.OpReceive)
			until(t, func() bool { return time.Since(begin) > 2*idle && q.Calls(jobtest.OpReceive) > polls+3 })
			select {
			case <-done:
				t.Error("the worker ends while it has work")
			default:
			}
		}
		return worker.Outcome{Verdict: worker.Done}
	}
	w := worker.New(worker.Config{Queue: q, Run: run, Concurrency: 2, Visibility: time.Minute, Grace: time.Second, IdleExit: idle, Logger: slog.New(slog.DiscardHandler)})
	go func() { done <- w.Serve(t.Context()) }()
	select {
	case err := <-done:
		if err != nil || seen.Load() != 3 {
			t.Errorf("Serve returns %v after %d jobs", err, seen.Load())
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the idle worker does not end")
	}
}

// TestTooManyAbandoned has processors that do not return. A worker that has two for each of
// its slots takes no more jobs and ends with an error.
func TestTooManyAbandoned(t *testing.T) {
	t.Parallel()
	const concurrency, late = 2, 3
	q := queueOf(t, 20)
	never := make(chan struct{})
	defer close(never)
	var seen atomic.Int64
	w := worker.New(worker.Config{
		Queue: q, Concurrency: concurrency, Visibility: time.Minute, Grace: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Run: func(context.Context, job.Delivery) worker.Outcome {
			out := worker.Outcome{Verdict: worker.Done, Abandoned: true, Returned: never}
			if seen.Add(1) <= late {
				out.Abandoned = false
			}
			return out
		},
	})
	if err := w.Serve(t.Context()); err == nil {
		t.Error("the worker stops in order")
	}
	// Two were counted for each slot, and as many may have begun meanwhile.
	if n := seen.Load(); n < late+2*concurrency || n > late+3*concurrency {
		t.Errorf("it has taken %d jobs", n)
	}
}

// TestAbandonedThatReturn has processors that return after they were given up: the worker
// goes on.
func TestAbandonedThatReturn(t *testing.T) {
	t.Parallel()
	q := queueOf(t, 20)
	var seen atomic.Int64
	var last chan struct{}
	stop := serve(t, q, 1, time.Second, func(context.Context, job.Delivery) worker.Outcome {
		if last != nil {
			close(last) // one at a time, so that there is never more than one beside the new one
		}
		last = make(chan struct{})
		seen.Add(1)
		return worker.Outcome{Verdict: worker.Done, Abandoned: seen.Load()%2 == 0, Returned: last}
	})
	until(t, func() bool { return seen.Load() == 20 })
	stop()
	close(last)
}
