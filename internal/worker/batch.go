package worker

import (
	"context"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// handBack is the time before its deadline at which a batch hands its jobs back: enough
// for the writes and the verdicts. Of a short time it is a quarter.
const handBack = 15 * time.Second

// Carry handles deliveries that the host has received and will delete, except for those
// that it returns, which are delivered again. Shortly before the deadline of ctx it stops
// what still runs. A job that had all of the time has failed an attempt, since one that
// needs more than there ever is would come back for days; one that began later is handed
// back without an attempt.
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
