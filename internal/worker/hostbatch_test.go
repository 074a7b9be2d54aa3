package worker_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

// received sends n messages and receives them, as the host of a batch does.
func received(t *testing.T, n int) (*jobtest.Queue, []job.Delivery) {
	t.Helper()
	q := queueOf(t, n)
	ds, err := q.Receive(t.Context(), n, time.Hour)
	if err != nil || len(ds) != n {
		t.Fatalf("%d of %d messages, %v", len(ds), n, err)
	}
	return q, ds
}

func batchWorker(q job.Queue, concurrency int, run func(context.Context, job.Delivery) worker.Outcome) *worker.Worker {
	return worker.New(worker.Config{Queue: q, Run: run, Concurrency: concurrency, Visibility: time.Minute, Logger: slog.New(slog.DiscardHandler)})
}

// TestBatchVerdicts returns exactly the jobs for later, with their back-off set in the
// queue; the host deletes the others.
func TestBatchVerdicts(t *testing.T) {
	t.Parallel()
	q, ds := received(t, 3)
	verdicts := map[string]worker.Verdict{ds[0].Receipt: worker.Done, ds[1].Receipt: worker.Later, ds[2].Receipt: worker.Never}
	again := batchWorker(q, 2, func(_ context.Context, d job.Delivery) worker.Outcome {
		return worker.Outcome{Verdict: verdicts[d.Receipt]}
	}).Carry(t.Context(), ds)
	if len(again) != 1 || again[0].Receipt != ds[1].Receipt {
		t.Errorf("again: %v", again)
	}
	if q.Len() != 3 || q.Calls(jobtest.OpExtend) != 1 || q.Calls(jobtest.OpDelete) != 0 {
		t.Errorf("%d messages, %d extended, %d deleted", q.Len(), q.Calls(jobtest.OpExtend), q.Calls(jobtest.OpDelete))
	}
	if ds, err := q.Receive(t.Context(), 3, time.Hour); err != nil || len(ds) != 1 {
		t.Errorf("at once there are %d to be had, %v", len(ds), err)
	}
}

// TestBatchOutOfTime gives a batch too little time: jobs that had all of it get that
// cause, one that began later is canceled, and one more never begins.
func TestBatchOutOfTime(t *testing.T) {
	t.Parallel()
	tests := map[time.Duration]time.Duration{5 * time.Minute: 15 * time.Second, 8 * time.Second: 2 * time.Second} // time, and what is to be left of it
	for timeout, left := range tests {
		synctest.Test(t, func(t *testing.T) {
			q, ds := received(t, 4)
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			var mu sync.Mutex // guards begun and causes
			begun := 0
			causes := map[error]int{}
			again := batchWorker(q, 2, func(ctx context.Context, _ job.Delivery) worker.Outcome {
				mu.Lock()
				begun++
				short := begun == 1
				mu.Unlock()
				if short {
					<-time.After(timeout / 2)
					return worker.Outcome{Verdict: worker.Done}
				}
				<-ctx.Done()
				mu.Lock()
				defer mu.Unlock()
				causes[context.Cause(ctx)]++
				return worker.Outcome{Verdict: worker.Later}
			}).Carry(ctx, ds)
			deadline, _ := ctx.Deadline()
			if got := time.Until(deadline); got != left {
				t.Errorf("of %s it leaves %s, want %s", timeout, got, left)
			}
			if len(again) != 3 || begun != 3 || causes[worker.ErrOutOfTime] != 1 || causes[job.ErrStopping] != 1 {
				t.Errorf("of %s: %d come again, %d have begun, they ended by %v", timeout, len(again), begun, causes)
			}
		})
	}
}

// TestBatchesOfAbandoned has processors of batches that do not return, until there are two
// for each slot, and then return after all.
func TestBatchesOfAbandoned(t *testing.T) {
	t.Parallel()
	q, ds := received(t, 4)
	returned := make(chan struct{})
	w := batchWorker(q, 2, func(context.Context, job.Delivery) worker.Outcome {
		return worker.Outcome{Verdict: worker.Done, Abandoned: true, Returned: returned}
	})
	w.Carry(t.Context(), ds[:3])
	if w.Spent() {
		t.Error("three do not return, and it takes no more jobs")
	}
	w.Carry(t.Context(), ds[3:])
	if !w.Spent() {
		t.Error("four do not return, and it takes more jobs")
	}
	close(returned)
	if w.Spent() {
		t.Error("all have returned, and it takes no more jobs")
	}
}
