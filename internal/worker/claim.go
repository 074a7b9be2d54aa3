package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

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
