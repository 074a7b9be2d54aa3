package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

// tryTime is for how long the message of a try must be hidden from other workers: longer
// than a try with its writes takes.
const tryTime = time.Minute

// divides reports whether a delivery is for Deliver, on a queue that is shared.
func (w *Worker) divides(d job.Delivery) bool { return d.Webhook && w.c.Deliver != nil }

// run carries out one delivery by what it is for.
func (w *Worker) run(ctx context.Context, d job.Delivery) Outcome {
	if w.divides(d) {
		return w.c.Deliver(ctx, d)
	}
	return w.c.Run(ctx, d)
}

// aside carries out a delivery that is for a webhook, in a lane of its own. When the lane is
// full the message goes back for a while, and a fresh one takes its place before the queue
// calls it a dead letter.
func (w *Worker) aside(ctx context.Context, d job.Delivery) {
	select {
	case w.lane <- struct{}{}:
		defer func() { <-w.lane }()
	default:
		out := Outcome{Verdict: Later, After: 10*time.Second + rand.N(20*time.Second)}
		if d.Received >= hopAfter && w.c.Queue.Send(ctx, d.Message) == nil {
			out = Outcome{Verdict: Done}
		}
		w.settle(ctx, d, out)
		return
	}
	if w.c.Visibility < tryTime {
		if err := w.c.Queue.Extend(ctx, d.Receipt, tryTime); err != nil {
			return // it comes again; a try now could be one of two at a time
		}
	}
	w.carryOut(ctx, d)
}
