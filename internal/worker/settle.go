package worker

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

// settleTimeout bounds the verdict on a delivery.
const settleTimeout = 5 * time.Second

// settle sends the verdict to the queue, even when ctx has ended.
func (w *Worker) settle(ctx context.Context, d job.Delivery, out Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := Settle(ctx, w.c.Queue, d, out); err != nil {
		// The message comes back when its invisibility ends; the job's document then says
		// what is left to do.
		w.c.Logger.WarnContext(ctx, "cannot send the verdict to the queue", "job_id", d.JobID, "verdict", out.Verdict.String(), "error", err)
	}
}

// Settle sends the outcome of a delivery to the queue.
func Settle(ctx context.Context, q job.Queue, d job.Delivery, out Outcome) error {
	if out.Verdict != Later {
		return q.Delete(ctx, d.Receipt)
	}
	err := q.Extend(ctx, d.Receipt, max(out.After, 0).Round(time.Second))
	if job.KindOf(err) == job.NotFound {
		return nil // its invisibility is over, so it is visible already
	}
	return err
}
