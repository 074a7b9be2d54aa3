// Package worker takes deliveries from the queue and has each carried out: a long poll,
// bounded concurrency, one verdict per delivery, and a stop in two phases. What a job
// is and how it ends is the business of [Runner].
package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// Config is what a [Worker] is made of. All fields are needed.
type Config struct {
	Queue job.Queue
	// Run carries out one delivery; job.Runner.Run, or a wrapper that observes it. When
	// its context ends with the cause job.ErrStopping it hands the job back.
	Run func(context.Context, job.Delivery) Outcome
	// Concurrency is how many deliveries are carried out at once.
	Concurrency int
	// Visibility is how long a delivery stays invisible without a sign of life; the
	// lease of job.Runner.
	Visibility time.Duration
	// Grace is how long a stop waits for running work before it interrupts it.
	Grace  time.Duration
	Logger *slog.Logger
}

// Worker is one consumer of the queue.
type Worker struct{ c Config }

// New returns a worker made of c.
func New(c Config) *Worker { return &Worker{c} }

const (
	// receiveLimit is how many messages one call can return (SQS).
	receiveLimit = 10
	// settleTime bounds the last word on a delivery.
	settleTime = 5 * time.Second
)

// Serve receives and works until ctx ends, then takes nothing new, gives what runs the
// grace to end, interrupts the rest with job.ErrStopping, and returns when every
// delivery has had its verdict told. It returns nil after an orderly stop.
func (w *Worker) Serve(ctx context.Context) error {
	work, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(job.ErrStopping)
	var running sync.WaitGroup
	slots := make(chan struct{}, w.c.Concurrency)
	failures := 0
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
			running.Go(func() {
				defer func() { <-slots }()
				w.carryOut(work, d)
			})
		}
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failures++
		if failures == 1 || failures%10 == 0 {
			w.c.Logger.ErrorContext(ctx, "the queue cannot be read; trying again", "failures", failures, "kind", job.KindOf(err).String(), "error", err)
		}
		pause(ctx, failures)
	}
	w.stop(&running, interrupt)
	return nil
}

// acquire waits for one free slot and takes whatever else is free, up to one receive's
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

// stop waits for running work, and interrupts what outlasts the grace.
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
		w.c.Logger.Info("grace is over: handing running jobs back to the queue")
		interrupt(job.ErrStopping)
		<-ended
	}
}

// carryOut runs one delivery and tells the queue the verdict.
func (w *Worker) carryOut(ctx context.Context, d job.Delivery) {
	out := w.c.Run(ctx, d)
	w.log(ctx, d, out)
	w.settle(ctx, d, out)
}

// settle tells the queue, whatever becomes of ctx.
func (w *Worker) settle(ctx context.Context, d job.Delivery, out Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := Settle(ctx, w.c.Queue, d, out); err != nil {
		// The message comes back by itself when its invisibility ends; the job's document
		// then says what is left to do.
		w.c.Logger.WarnContext(ctx, "verdict not told to the queue", "job_id", d.JobID, "verdict", out.Verdict.String(), "error", err)
	}
}

// Settle tells the queue what became of a delivery.
func Settle(ctx context.Context, q job.Queue, d job.Delivery, out Outcome) error {
	if out.Verdict != Later {
		return q.Delete(ctx, d.Receipt)
	}
	err := q.Extend(ctx, d.Receipt, max(out.After, 0).Round(time.Second))
	if job.KindOf(err) == job.NotFound {
		return nil // its invisibility is over: it is visible already
	}
	return err
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

// pause waits between failed receives: 1 s doubled up to 30 s, spread by half.
func pause(ctx context.Context, failures int) {
	d := min(time.Second<<min(failures-1, 8), 30*time.Second)
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
