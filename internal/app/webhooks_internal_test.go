package app

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

// twoQueues returns consumers of a queue of jobs and of one of webhooks.
func twoQueues(t *testing.T, jobs, webhooks func(context.Context, job.Delivery) worker.Outcome) (w *Workers, ofJobs, ofWebhooks *jobtest.Queue) {
	t.Helper()
	ofJobs, ofWebhooks = jobtest.NewQueue(t, nil), jobtest.NewQueue(t, nil)
	c := worker.Config{Queue: ofJobs, Run: jobs, Deliver: webhooks, Deliveries: 1, Concurrency: 1, Visibility: time.Minute, Grace: time.Second, Logger: slog.New(slog.DiscardHandler)}
	alone := c
	alone.Queue, alone.Run, alone.Deliver = ofWebhooks, webhooks, nil
	return &Workers{jobs: worker.New(c), webhooks: worker.New(alone)}, ofJobs, ofWebhooks
}

// TestBothConsumersEndWithAnError has too many processors that do not return: the process is
// to end, so that it is restarted.
func TestBothConsumersEndWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, jobs, _ := twoQueues(t, func(context.Context, job.Delivery) worker.Outcome {
			return worker.Outcome{Verdict: worker.Done, Abandoned: true, Returned: make(chan struct{})}
		}, nil)
		for range 2 {
			if err := jobs.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "o"}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.Serve(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("Serve ends with %v, and the time for it with %v", err, ctx.Err())
		}
	})
}
