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

// Verdict is the answer to the queue for one delivery.
type Verdict uint8

const (
	// Later: make the message visible again after Outcome.After.
	Later Verdict = iota
	// Done: nothing is left to do; delete the message.
	Done
	// Never: the job has failed for good; delete the message.
	Never
)

func (v Verdict) String() string { return [...]string{"later", "done", "never"}[v] }

// Outcome is the result of one delivery.
type Outcome struct {
	Verdict Verdict
	// After is the back-off of Later.
	After time.Duration
	// Job is the last known document; nil when there is none.
	Job *job.Job
	// Ended says that this delivery ended the job.
	Ended bool
	// Abandoned says that the processor did not return when its time was up. Its goroutine
	// may still run.
	Abandoned bool
	// Returned is closed when an abandoned processor returns after all; else nil.
	Returned <-chan struct{}
	// Err is the cause for the operator's log; may be nil also for Later.
	Err error
}

// Named causes with which a worker's context ends.
var (
	// ErrOutOfTime: the worker's host gives no more time, and the job had all of it; it is
	// tried again, and the attempt counts.
	ErrOutOfTime = errors.New("the host's time is over")
	// errLeaseLost: another worker has the job, or it was deleted; the work is void.
	errLeaseLost = errors.New("lease lost")
	// errCanceled: the job is canceled, or its time to be is over; the work is void.
	errCanceled = errors.New("job is canceled")
	// errTimeLimit: the processing took longer than the operator allows.
	errTimeLimit = errors.New("processing time limit exceeded")
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
// with the cause [ErrStopping] the job is handed back. It returns once everything that it
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

func givenUp(attempts int, why string) string {
	if attempts == 1 {
		return "given up after 1 attempt: " + why
	}
	return fmt.Sprintf("given up after %d attempts: %s", attempts, why)
}

// claim claims the job for this worker. When there is nothing to work on it returns nil
// and the outcome for the queue.
func (r *Runner) claim(ctx context.Context, d job.Delivery) (*job.Job, Outcome) {
	for at := d.Job; ; at = nil {
		j, err := r.load(ctx, d.JobID, at)
		switch {
		case job.KindOf(err) == job.NotFound:
			return nil, Outcome{Verdict: Done, Err: errors.New("the job is gone")}
		case err != nil:
			return nil, Outcome{Verdict: Later, After: outage(d), Err: err}
		}
		now := r.Now()
		j.ForgetUncounted()
		switch {
		case j.Deleted && !j.Status.Over():
			return nil, Outcome{Verdict: Done, Job: j, Err: errors.New("the job is being deleted")}
		case j.Status == job.StatusCanceled:
			return nil, r.canceled(ctx, j, Outcome{Verdict: Done, Job: j})
		case j.Status.Over():
			// It was ended by a delivery whose worker died before it deleted the message, or wrote
			// the bill.
			return nil, r.ended(ctx, j, Outcome{Verdict: Done, Job: j})
		case !j.UploadUntil.IsZero():
			return nil, Outcome{Verdict: Done, Job: j, Err: errors.New("the job's direct upload is not committed")}
		case j.Status == job.Processing && now.Before(j.LeaseUntil):
			return nil, Outcome{Verdict: Later, After: r.rest(j, now) + rand.N(time.Second), Job: j}
		case j.CancelDue(now):
			out, err := r.cancelUnclaimed(ctx, j)
			if job.KindOf(err) == job.Conflict {
				continue
			}
			return nil, out
		case now.Before(j.NotBefore):
			return nil, Outcome{Verdict: Later, After: j.NotBefore.Sub(now), Job: j}
		case j.Attempts >= r.MaxAttempts:
			out, err := r.giveUp(ctx, j)
			if job.KindOf(err) == job.Conflict {
				continue
			}
			return nil, out
		}
		j.Status, j.Worker, j.Message, j.Progress, j.NotBefore = job.Processing, r.Worker, "", nil, time.Time{}
		j.Attempts++
		j.LeaseUntil = now.Add(r.Lease).UTC()
		j.StartedAt = now.UTC()
		former := j.OutputID
		if j.OutputID = ""; r.OwnOutputs {
			j.OutputID = job.NewID()
		}
		written := r.charge(ctx, j)
		j.Version, err = r.Store.Swap(ctx, j.Stamp(now))
		switch {
		case err == nil:
			written()
			r.removeOutput(ctx, former)
			return j, Outcome{}
		case job.KindOf(err) != job.Conflict:
			return nil, Outcome{Verdict: Later, After: outage(d), Job: j, Err: err}
		}
	}
}

// removeOutput removes the output of a claim that is over, and that no document names any
// more. The lifecycle of outputs removes what stays after a failure.
func (r *Runner) removeOutput(ctx context.Context, id job.ID) {
	if id != "" {
		_ = r.Store.Remove(ctx, job.Output, id, "")
	}
}

// load returns a copy of the document in the delivery, or reads it.
func (r *Runner) load(ctx context.Context, id job.ID, delivered *job.Job) (*job.Job, error) {
	if delivered == nil {
		return r.Store.Load(ctx, id)
	}
	j := *delivered
	return &j, nil
}

// giveUp fails a job whose attempts were used up by lost workers.
func (r *Runner) giveUp(ctx context.Context, j *job.Job) (Outcome, error) {
	j.Finish(job.Failed, r.Now())
	j.Message = givenUp(j.Attempts, "the worker was lost each time")
	r.charge(ctx, j)
	version, err := r.Store.Swap(ctx, j.Stamp(r.Now()))
	if err != nil {
		return Outcome{Verdict: Later, After: restAfter(nil, 1), Err: err}, err
	}
	j.Version = version
	return r.ended(ctx, j, Outcome{Verdict: Never, Job: j, Ended: true, Err: errors.New("attempts used up")}), nil
}

func (r *Runner) complete(ctx context.Context, l *lease, done result) Outcome {
	return r.end(ctx, l, Outcome{Verdict: Done}, func(j *job.Job) {
		j.Finish(job.Completed, r.Now())
		j.Input, j.Output, j.Units, j.Message = done.input, &done.output, done.units, ""
	})
}

// fail ends the job for good with a sentence for the client.
func (r *Runner) fail(ctx context.Context, l *lease, message string, cause error) Outcome {
	return r.end(ctx, l, Outcome{Verdict: Never, Err: cause}, func(j *job.Job) {
		j.Finish(job.Failed, r.Now())
		j.Message = message
	})
}

// end writes a final state. When it cannot, the lease lapses and the job is delivered
// again.
func (r *Runner) end(ctx context.Context, l *lease, out Outcome, change func(*job.Job)) Outcome {
	j, err := l.swap(ctx, func(j *job.Job) {
		j.WorkSeconds += l.worked(r.Now())
		change(j)
	})
	switch {
	case errors.Is(err, errLeaseLost):
		return r.discard(ctx, l, err)
	case errors.Is(err, errCanceled):
		return r.cancel(ctx, l)
	case err != nil:
		return Outcome{Verdict: Later, After: r.Lease, Err: errors.Join(out.Err, err)}
	}
	out.Job, out.Ended = j, true
	return r.ended(ctx, j, out)
}

// ended bills a job that is over, and sends the message for its webhook. The job's own
// message stays until that is done.
func (r *Runner) ended(ctx context.Context, j *job.Job, out Outcome) Outcome {
	err := j.RecordUsage(ctx, r.Ledger)
	if j.WebhookDue && !j.Deleted {
		err = errors.Join(err, r.Webhooks.Send(ctx, job.Message{JobID: j.ID, Owner: j.Owner, Webhook: true}))
	}
	if err != nil {
		out.Verdict, out.After, out.Err = Later, restAfter(nil, 1), err
	}
	return out
}

// release gives the job back: its lease is over from now on, so that the next delivery
// claims it again. An attempt that ends by the worker's own stop or by a failure of
// storage does not count, up to a bound: neither is the job's fault.
func (r *Runner) release(ctx context.Context, l *lease, after time.Duration, message string, cause error) Outcome {
	j, err := l.swap(ctx, func(j *job.Job) {
		now := r.Now()
		if after > r.hidden(after, l.received) {
			j.NotBefore = now.Add(after).UTC()
		}
		j.LeaseUntil, j.Worker, j.Message, j.Progress = now.UTC().Truncate(time.Millisecond), "", message, nil
		if (errors.Is(cause, job.ErrStopping) || isStorageError(cause)) && j.Interruptions < maxInterruptions {
			j.Attempts--
			j.Interruptions++
		} else {
			j.WorkSeconds += l.worked(now)
		}
	})
	switch {
	case errors.Is(err, errLeaseLost):
		return r.discard(ctx, l, cause)
	case errors.Is(err, errCanceled):
		return r.cancel(ctx, l)
	case err != nil:
		// Not written: the lease ends by time, and only then is the job free.
		return Outcome{Verdict: Later, After: max(after, r.Lease), Err: errors.Join(cause, err)}
	}
	return Outcome{Verdict: Later, After: after, Job: j, Err: cause}
}

// discard undoes the work of a worker that lost its lease. It removes the output only
// when no other worker can use it: when the job is deleted, whether or not its key names
// a new job by now. A failed job may be redriven at this moment, and its next output may
// exist already. Work on a job that was deleted meanwhile is billed here: its client had
// it done.
func (r *Runner) discard(ctx context.Context, l *lease, cause error) Outcome {
	ours := l.snapshot()
	j, err := r.Store.Load(ctx, l.id)
	deleted := job.KindOf(err) == job.NotFound || err == nil && (j.Deleted || j.ObjectID() != ours.ObjectID())
	if err == nil && j.OutputID != ours.OutputID {
		r.removeOutput(ctx, ours.OutputID)
	}
	switch {
	case err == nil && j.Status == job.StatusCanceled && !deleted:
		return r.canceled(ctx, j, Outcome{Verdict: Done, Job: j, Err: cause})
	case err == nil && j.Status.Over() && !deleted:
		return r.ended(ctx, j, Outcome{Verdict: Done, Job: j, Err: cause})
	case deleted:
		if err := errors.Join(r.Store.Remove(ctx, job.Output, ours.OutputObject(), ""), r.billDeleted(ctx, l)); err != nil {
			return Outcome{Verdict: Later, After: restAfter(nil, 1), Job: j, Err: errors.Join(cause, err)}
		}
		return Outcome{Verdict: Done, Job: j, Err: cause}
	case err != nil:
		return Outcome{Verdict: Later, After: r.Lease, Err: errors.Join(cause, err)}
	}
	return Outcome{Verdict: Later, After: r.Lease, Job: j, Err: cause}
}

// billDeleted bills a job that was deleted while this worker had it. Once the lease is
// over [Service.Delete] bills by itself, without the time of this attempt.
func (r *Runner) billDeleted(ctx context.Context, l *lease) error {
	j, now := l.snapshot(), r.Now()
	if !now.Before(j.LeaseUntil) {
		return nil
	}
	j.WorkSeconds += l.worked(now)
	j.EndedAt = now.UTC()
	job.MeterOf(ctx).Charge(&j, r.Charges.Write(1).Plus(r.Charges.Message(1)))
	return j.RecordUsage(ctx, r.Ledger)
}
