package worker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"claimcheck.example/internal/job"
)

// Config configures a [Worker]. All fields but Deliver, Deliveries and IdleExit are required.
type Config struct {
	Queue job.Queue
	// Run handles one delivery: Runner.Run, or a wrapper that observes it. When its context
	// ends with the cause job.ErrStopping it hands the job back.
	Run func(context.Context, job.Delivery) Outcome
	// Deliver carries out a delivery that is for the webhook of a job, where those share the
	// queue of the jobs; Deliverer.Run. Nil: Run carries out all.
	Deliver func(context.Context, job.Delivery) Outcome
	// Deliveries is the number of such deliveries at once, in addition to Concurrency.
	Deliveries int
	// Concurrency is the number of deliveries that run at once.
	Concurrency int
	// Visibility is the time that a delivery stays invisible without a renewal; it is the
	// lease of Runner.
	Visibility time.Duration
	// Grace is the time that a stop waits for running work before it interrupts it.
	Grace time.Duration
	// IdleExit ends Serve when no delivery came and none was in work for so long. Zero
	// serves until the context ends.
	IdleExit time.Duration
	Logger   *slog.Logger
}

// Worker is one consumer of the queue.
type Worker struct {
	c    Config
	lane chan struct{} // of the deliveries that are for webhooks

	mu        sync.Mutex        // guards abandoned
	abandoned []<-chan struct{} // one for each processor, closed when it returns
}

// maxAbandoned is the number of abandoned processors that a worker tolerates for each of its
// slots. Each of them still uses memory and processor time.
const maxAbandoned = 2

// errAbandoned ends a worker with too many of them. A new process starts without any.
var errAbandoned = errors.New("too many processors do not return: the worker takes no more jobs and stops, so that it is restarted")

// New returns a worker made of c.
func New(c Config) *Worker { return &Worker{c: c, lane: make(chan struct{}, c.Deliveries)} }

// receiveLimit is the largest number of messages that one call can return (SQS).
const receiveLimit = 10

// Serve receives and works until ctx ends, or until it is idle for IdleExit. Then it
// receives nothing more, waits for running work until the grace is over, interrupts the
// rest with job.ErrStopping, and returns when the queue has the verdict on every
// delivery. It returns nil after an orderly stop. It stops by itself, with an
// error, when too many processors do not return.
func (w *Worker) Serve(ctx context.Context) error {
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	work, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(job.ErrStopping)
	var running sync.WaitGroup
	slots := make(chan struct{}, w.c.Concurrency)
	var lastBusy atomic.Int64 // Unix nanoseconds
	busy := func() { lastBusy.Store(time.Now().UnixNano()) }
	busy()
	failures := 0
	rest := &backoff.ExponentialBackOff{InitialInterval: time.Second, Multiplier: 2, RandomizationFactor: 0.5, MaxInterval: 20 * time.Second}
	rest.Reset()
	for ctx.Err() == nil {
		free := w.acquire(ctx, slots)
		if free == 0 {
			break
		}
		deliveries, err := w.c.Queue.Receive(ctx, free, w.c.Visibility)
		for range free - len(deliveries) {
			<-slots
		}
		for _, d := range deliveries {
			if w.divides(d) {
				<-slots // no job waits for the receiver of a webhook
				running.Go(func() { w.aside(work, d) })
				continue
			}
			running.Go(func() {
				defer func() { busy(); <-slots }()
				if out := w.carryOut(work, d); out.Abandoned && w.abandon(out) {
					quit(errAbandoned)
				}
			})
		}
		if err == nil {
			failures = 0
			rest.Reset()
			if len(deliveries) > 0 || len(slots) > 0 {
				busy()
			} else if idle := time.Since(time.Unix(0, lastBusy.Load())); w.c.IdleExit > 0 && idle >= w.c.IdleExit {
				w.c.Logger.InfoContext(ctx, "no message came: the worker ends", "idle", idle.Round(time.Second).String())
				break
			}
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failures++
		if failures == 1 || failures%10 == 0 {
			w.c.Logger.ErrorContext(ctx, "cannot read the queue; trying again", "failures", failures, "kind", job.KindOf(err).String(), "error", err)
		}
		pause(ctx, rest.NextBackOff())
	}
	if err := context.Cause(ctx); errors.Is(err, errAbandoned) {
		w.c.Logger.ErrorContext(ctx, err.Error(), "ceiling", maxAbandoned*w.c.Concurrency)
		w.stop(&running, interrupt)
		return err
	}
	w.stop(&running, interrupt)
	return nil
}

// abandon notes a processor, and reports whether too many do not return.
func (w *Worker) abandon(out Outcome) (tooMany bool) {
	w.mu.Lock()
	w.abandoned = append(w.abandoned, out.Returned)
	w.mu.Unlock()
	return w.Spent()
}

// Spent reports whether too many abandoned processors do not return. It forgets those that
// have returned meanwhile.
func (w *Worker) Spent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.abandoned = slices.DeleteFunc(w.abandoned, func(returned <-chan struct{}) bool {
		select {
		case <-returned:
			return true
		default:
			return false
		}
	})
	return len(w.abandoned) >= maxAbandoned*w.c.Concurrency
}

// acquire waits for one free slot and takes any others that are free, up to one receive's
// worth. It returns 0 when ctx ends first.
func (w *Worker) acquire(ctx context.Context, slots chan struct{}) int {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for n < receiveLimit {
		select {
		case slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

// stop waits for running work, and interrupts what exceeds the grace.
func (w *Worker) stop(running *sync.WaitGroup, interrupt context.CancelCauseFunc) {
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	grace := time.NewTimer(w.c.Grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		w.c.Logger.Info("the grace period is over: handing running jobs back to the queue")
		interrupt(job.ErrStopping)
		<-ended
	}
}

// carryOut runs one delivery and sends the verdict to the queue.
func (w *Worker) carryOut(ctx context.Context, d job.Delivery) Outcome {
	out := w.run(ctx, d)
	w.log(ctx, d, out)
	w.settle(ctx, d, out)
	return out
}

func (w *Worker) log(ctx context.Context, d job.Delivery, out Outcome) {
	attrs := []any{"job_id", d.JobID, "verdict", out.Verdict.String(), "received", d.Received, "ended", out.Ended}
	if out.Job != nil {
		attrs = append(attrs, "status", string(out.Job.Status), "attempts", out.Job.Attempts)
	}
	if out.Verdict == Later {
		attrs = append(attrs, "after", out.After.Round(time.Millisecond).String())
	}
	level := slog.LevelInfo
	if out.Err != nil {
		attrs = append(attrs, "kind", job.KindOf(out.Err).String(), "error", out.Err)
		if out.Verdict != Done && !errors.Is(out.Err, job.ErrStopping) {
			level = slog.LevelWarn
		}
	}
	w.c.Logger.Log(ctx, level, "delivery carried out", attrs...)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
