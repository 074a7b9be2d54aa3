package worker

import (
	"context"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// handBack is how long before its deadline a batch hands its jobs back: enough time for the
// writes and the verdicts. For a short deadline it is a quarter of the time.
const handBack = 15 * time.Second

// Carry handles deliveries that the host has received. The host deletes them, except for those
// that Carry returns, which are delivered again. Shortly before the deadline of ctx it stops
// running jobs. A job that had the whole time has failed an attempt: otherwise a job that needs
// more time would come back for days. A job that began later does not lose an attempt.
//
// A host that reuses the process asks [Worker.Spent] before it has the next batch carried
// out.
func (w *Worker) Carry(ctx context.Context, deliveries []job.Delivery) (again []job.Delivery) {
	early, endEarly := context.WithCancelCause(context.WithoutCancel(ctx))
	late, endLate := context.WithCancelCause(context.WithoutCancel(ctx))
	end := func() {
		endEarly(ErrOutOfTime)
		endLate(job.ErrStopping)
	}
	defer end()
	var start time.Time // jobs that begin before this have all of the time
	if deadline, ok := ctx.Deadline(); ok {
		whole := time.Until(deadline)
		start = time.Now().Add(whole / 10)
		timer := time.AfterFunc(whole-min(handBack, whole/4), end)
		defer timer.Stop()
	}
	var mu sync.Mutex // guards again
	var running sync.WaitGroup
	slots := make(chan struct{}, w.c.Concurrency)
	for _, d := range deliveries {
		running.Go(func() {
			out := Outcome{Verdict: Later, Err: job.ErrStopping}
			select {
			case slots <- struct{}{}:
				work := late
				if time.Now().Before(start) {
					work = early
				}
				if work.Err() == nil {
					out = w.run(work, d)
				}
				if out.Abandoned {
					w.abandon(out)
				}
				<-slots
			case <-late.Done(): // it has not begun
			}
			w.log(ctx, d, out)
			if out.Verdict != Later {
				return
			}
			mu.Lock()
			again = append(again, d)
			mu.Unlock()
			w.settle(ctx, d, out)
		})
	}
	running.Wait()
	return again
}
