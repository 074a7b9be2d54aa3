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

// TestBackOffOfAWebhookIsSetInItsQueue has the host of a batch receive from both queues.
func TestBackOffOfAWebhookIsSetInItsQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		later := func(context.Context, job.Delivery) worker.Outcome {
			return worker.Outcome{Verdict: worker.Later, After: time.Hour}
		}
		w, jobs, webhooks := twoQueues(t, later, later)
		for q, m := range map[*jobtest.Queue]job.Message{jobs: {}, webhooks: {Webhook: true}} {
			m.JobID, m.Owner = job.NewID(), "o"
			if err := q.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			ds, err := q.Receive(t.Context(), 1, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if again := w.Carry(t.Context(), ds); len(again) != 1 {
				t.Errorf("%d of one message come again", len(again))
			}
			q.Advance(2 * time.Minute)
			if ds, err := q.Receive(t.Context(), 1, time.Minute); err != nil || len(ds) != 0 {
				t.Errorf("the message for a webhook (%t) is back too early: %v", m.Webhook, err)
			}
		}
	})
}
