package worker

import (
	"context"
	"errors"
	"time"

	"claimcheck.example/internal/job"
)

// cancel ends the work on a job that is canceled or whose Cancel-After is over: it adds
// the time of this attempt and gives up the lease, so that the job is ready for its bill.
func (r *Runner) cancel(ctx context.Context, l *lease) Outcome {
	for {
		j, now := l.snapshot(), r.Now()
		byTime := j.Status != job.StatusCanceled
		if byTime {
			j.Cancel(now, "")
		}
		j.WorkSeconds += l.worked(now)
		j.Worker, j.LeaseUntil = "", time.Time{}
		r.charge(ctx, &j)
		version, err := r.Store.Swap(ctx, j.Stamp(now))
		if err == nil {
			j.Version = version
			return r.canceled(ctx, &j, Outcome{Verdict: Done, Job: &j, Ended: byTime, Err: errCanceled})
		}
		if job.KindOf(err) == job.Conflict {
			err = l.verify(ctx)
		}
		switch {
		case errors.Is(err, errLeaseLost):
			return r.discard(ctx, l, errCanceled)
		case err != nil && !errors.Is(err, errCanceled):
			return Outcome{Verdict: Later, After: r.Lease, Err: errors.Join(errCanceled, err)}
		}
	}
}

// cancelUnclaimed cancels a job whose Cancel-After is over and that no worker has.
func (r *Runner) cancelUnclaimed(ctx context.Context, j *job.Job) (Outcome, error) {
	j.Cancel(r.Now(), "")
	r.charge(ctx, j)
	version, err := r.Store.Swap(ctx, j.Stamp(r.Now()))
	if err != nil {
		return Outcome{Verdict: Later, After: restAfter(nil, 1), Err: err}, err
	}
	j.Version = version
	return r.canceled(ctx, j, Outcome{Verdict: Done, Job: j, Ended: true}), nil
}

// canceled removes the output of an attempt at a canceled job, and bills the job. While a
// worker that has not noticed holds the lease it does neither: that worker does, or the
// message comes again.
func (r *Runner) canceled(ctx context.Context, j *job.Job, out Outcome) Outcome {
	now := r.Now()
	if j.Leased(now) {
		out.Verdict, out.After = Later, r.rest(j, now)
		return out
	}
	if err := r.Store.Remove(ctx, job.Output, j.OutputObject(), ""); err != nil {
		out.Verdict, out.After, out.Err = Later, restAfter(nil, 1), err
		return out
	}
	return r.ended(ctx, j, out)
}
