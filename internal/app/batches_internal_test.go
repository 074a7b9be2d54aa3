package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// TestSpentBatchesEndTheProcess has two processors of one slot that do not return: the next
// batch is refused, and the process ends.
func TestSpentBatchesEndTheProcess(t *testing.T) {
	t.Parallel()
	ran := 0
	w, _, _ := twoQueues(t, func(context.Context, job.Delivery) worker.Outcome {
		ran++
		return worker.Outcome{Verdict: worker.Done, Abandoned: true, Returned: make(chan struct{})}
	}, nil)
	var codes []int
	b := &Batches{
		build: func() (*batchWorker, error) {
			return &batchWorker{w, &Process{Telemetry: Quiet(slog.New(slog.DiscardHandler))}}, nil
		},
		exit: func(code int) { codes = append(codes, code) },
	}
	for range 2 {
		if _, err := b.Carry(t.Context(), []job.Delivery{{}}); err != nil || len(codes) != 0 {
			t.Fatalf("it ends too early: %v, %v", err, codes)
		}
	}
	_, err := b.Carry(t.Context(), []job.Delivery{{}})
	if !errors.Is(err, errSpent) || len(codes) != 1 || codes[0] != 1 || ran != 2 {
		t.Errorf("after two: %v, exit codes %v, %d jobs carried out", err, codes, ran)
	}
}
