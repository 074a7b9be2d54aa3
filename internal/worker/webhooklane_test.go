package worker_test

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

// TestFullLaneMakesNoDeadLetter holds the lane of webhooks for an hour, in which the message
// of another one comes again and again.
func TestFullLaneMakesNoDeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := jobtest.NewQueue(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		received := make(chan int, 2)
		w := worker.New(worker.Config{
			Queue: q, Concurrency: 1, Deliveries: 1, Visibility: 2 * time.Hour, Grace: time.Minute, Logger: slog.New(slog.DiscardHandler),
			Deliver: func(_ context.Context, d job.Delivery) worker.Outcome {
				received <- d.Received
				time.Sleep(time.Hour)
				return worker.Outcome{Verdict: worker.Done}
			},
		})
		done := make(chan error, 1)
		go func() { done <- w.Serve(ctx) }()
		for range 2 {
			if err := q.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "a|b", Webhook: true}); err != nil {
				t.Fatal(err)
			}
		}
		<-received
		if n := <-received; n > 50 {
			t.Errorf("the message was received %d times before its turn; after 100 a queue gives up", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
