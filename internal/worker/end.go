package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"claimcheck.example/internal/job"
)

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

func givenUp(attempts int, why string) string {
	if attempts == 1 {
		return "given up after 1 attempt: " + why
	}
	return fmt.Sprintf("given up after %d attempts: %s", attempts, why)
}
