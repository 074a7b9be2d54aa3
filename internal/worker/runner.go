package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

// RunnerConfig configures a [Runner]. All fields but Limiter are required.
type RunnerConfig struct {
	Store     job.Store
	Queue     job.Queue
	Processor job.Processor
	// Limiter is where jobs wait for their turn at the processor, under their lease; nil for
	// no limit.
	Limiter job.Limiter
	// Inspector inspects results whose processor does not state their type, and images of
	// which a commit could not see enough: these may have up to MaxPixels.
	Inspector job.Inspector
	MaxPixels int64
	Ledger    job.Ledger
	// Webhooks takes the messages for the webhooks of jobs that are over. It may be Queue.
	Webhooks interface {
		Send(ctx context.Context, m job.Message) error
	}
	// OwnOutputs has each claim write its output under a name of its own, which needs
	// documents that name it and no conditions of the store.
	OwnOutputs bool
	// Charges says which backends' requests are counted.
	Charges job.Charges
	// Worker names this process in the documents that it claims.
	Worker string
	// Lease is the lifetime of a claim without a renewal; it is renewed after a third.
	Lease time.Duration
	// TimeLimit bounds one run of the processor, without the wait for Limiter.
	TimeLimit time.Duration
	// MaxAttempts is the number of claims after which a job fails.
	MaxAttempts int
	// Impatient repeats an attempt at once that failed within a second: a developer waits.
	Impatient bool
	Now       func() time.Time
	Logger    *slog.Logger
}

// Runner does the work of jobs from the queue. It acts for the operator, not for a
// principal: no client reaches it, and the messages of the queue name the jobs that it
// may touch. Safe for concurrent use.
type Runner struct{ RunnerConfig }

// NewRunner returns a runner with that configuration.
func NewRunner(c RunnerConfig) *Runner { return &Runner{c} }

// AbandonAfter is the time that a processor may take to return once its context has
// ended. After that the worker goes on without it.
const AbandonAfter = 10 * time.Second

// finishTimeout bounds each write that ends or hands back a job, also while stopping.
const finishTimeout = 8 * time.Second

// Run carries out one delivery: claim, process, store the output, complete. When ctx ends
// with the cause [job.ErrStopping] the job is handed back. It returns once everything that it
// started has ended, except a processor that ignores the end of its context for
// [AbandonAfter]. The caller then sends the verdict to the queue.
func (r *Runner) Run(ctx context.Context, d job.Delivery) Outcome {
	received := r.Now()
	ctx, meter := job.WithMeter(ctx)
	meter.Add(r.Charges.Message(1)) // the receive
	out := r.run(ctx, d, received)
	out.After = max(0, r.hidden(out.After, received))
	return out
}

func (r *Runner) run(ctx context.Context, d job.Delivery, received time.Time) (out Outcome) {
	if d.Malformed != "" {
		return Outcome{Verdict: Never, Err: fmt.Errorf("message is not ours: %s", d.Malformed)}
	}
	if d.Webhook { // for workers that have the keys
		return Outcome{Verdict: Later, After: time.Minute + rand.N(time.Minute), Err: errors.New("the message is for a webhook, and this worker has no WEBHOOK_KEY")}
	}
	j, out := r.claim(ctx, d)
	if j == nil {
		return out
	}
	l := newLease(r, j, d, received)
	defer func() { out.Abandoned, out.Returned = l.abandoned, l.returned }()
	kept, stop := l.keep(ctx)
	done, err := r.withinLimit(kept, l)
	err = because(kept, err)
	stop()

	ctx, cancelSettle := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancelSettle()
	switch {
	case errors.Is(err, errLeaseLost):
		return r.discard(ctx, l, err)
	case errors.Is(err, errCanceled), j.CancelDue(r.Now()):
		return r.cancel(ctx, l)
	case err == nil:
		return r.complete(ctx, l, done)
	case errors.Is(err, job.ErrStopping):
		return r.release(ctx, l, 0, "", err)
	case isStorageError(err) && j.Interruptions < maxInterruptions:
		return r.release(ctx, l, interrupted(d, j.Interruptions), "storage failed; it will be tried again", err)
	case isStorageError(err):
		err = job.Wrap(job.Unknown, err, "storage failed")
	case errors.Is(err, errTimeLimit):
		err = job.Wrap(job.Unknown, err, fmt.Sprintf("processing took longer than %s", r.TimeLimit))
	case errors.Is(err, ErrOutOfTime):
		err = job.Wrap(job.Unknown, err, "processing took longer than a worker may run")
	}
	switch job.KindOf(err) {
	case job.Invalid, job.TooLarge, job.Unsupported, job.Corrupt:
		return r.fail(ctx, l, messageOr(err, "the worker could not process the image"), err)
	}
	if j.Attempts >= r.MaxAttempts {
		return r.fail(ctx, l, givenUp(j.Attempts, messageOr(err, "processing failed")), err)
	}
	rest := restAfter(err, j.Attempts)
	if r.Impatient && job.KindOf(err) == job.Unknown && l.worked(r.Now()) < 1 {
		rest = 0
	}
	return r.release(ctx, l, rest, messageOr(err, "processing failed")+"; it will be tried again", err)
}

// withinLimit works on the job once the limiter admits it, until the time limit.
func (r *Runner) withinLimit(ctx context.Context, l *lease) (result, error) {
	release := func() {}
	if r.Limiter != nil {
		var err error
		j, begun := l.snapshot(), r.Now()
		release, err = r.Limiter.Acquire(ctx, job.Task{ID: j.ID, Input: j.Input, Params: j.Params, Attempt: j.Attempts, Progress: l.progress.report})
		l.waited = r.Now().Sub(begun)
		if err != nil {
			return result{}, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.TimeLimit, errTimeLimit)
	defer cancel()
	done, err := r.supervise(ctx, l, release)
	return done, because(ctx, err)
}

// supervise does the work and returns when it has ended or, if it ignores the end of ctx,
// [AbandonAfter] later. Abandoned work keeps its place until it returns, because it keeps
// its memory; it cannot publish, because its context is over.
func (r *Runner) supervise(ctx context.Context, l *lease, release func()) (done result, err error) {
	ended := make(chan struct{})
	var found result
	var failed error
	go func() {
		defer close(ended)
		defer release()
		found, failed = r.work(ctx, l)
	}()
	select {
	case <-ended:
		return found, failed
	case <-ctx.Done():
	}
	patience := time.NewTimer(AbandonAfter)
	defer patience.Stop()
	select {
	case <-ended:
		return found, failed
	case <-patience.C:
	}
	l.abandoned, l.returned = true, ended
	r.Logger.ErrorContext(ctx, "the processor does not return; the worker continues without it", "job_id", l.id, "after", AbandonAfter.String())
	return result{}, context.Cause(ctx)
}

// because replaces an error that only echoes the end of a context by its cause.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

func messageOr(err error, fallback string) string {
	if m := job.MessageOf(err); m != "" {
		return m
	}
	return fallback
}
