package redrive

import (
	"context"
	"errors"
	"iter"
	"time"

	"claimcheck.example/internal/job"
)

// deadHidden is how long a dead letter that is looked at is hidden from others, should
// this process not live to put it back.
const deadHidden = 30 * time.Minute

// DeadCount counts what a dead-letter queue held.
type DeadCount struct {
	// Removed: its job has been put back, has a new message, or needs none.
	Removed int
	// Kept: not asked for, or its job's redrive failed.
	Kept int
	// Malformed: kept, since it is not a message of this service.
	Malformed int
}

// RedriveDead puts back the jobs of all dead letters, tells of each as RedriveAll does,
// and removes the letters that have served. It ends once the queue gives no more.
func (r *Redriver) RedriveDead(ctx context.Context, dead job.DeadLetters, opts Options, tell func(job.ID, Result, error)) (n DeadCount, err error) {
	opts.Undelivered = true
	var keep []job.Delivery
	err = sideBySide(ctx, letters(ctx, dead), func(d job.Delivery) func() {
		if d.Malformed != "" {
			return func() {
				n.Malformed++
				keep = append(keep, d)
			}
		}
		opts := opts
		opts.Trace = d.Trace
		redrive := r.Redrive
		if d.Webhook {
			redrive = r.sendWebhook
		}
		what, err := redrive(ctx, d.JobID, opts)
		removed := false
		if err == nil && what != NotAsked {
			removed = true
			if !opts.DryRun {
				err = dead.Delete(context.WithoutCancel(ctx), d.Receipt)
				removed = err == nil
			}
		}
		return func() {
			if removed {
				n.Removed++
			} else {
				n.Kept++
			}
			if !removed || opts.DryRun {
				keep = append(keep, d)
			}
			tell(d.JobID, what, err)
		}
	})
	return n, errors.Join(err, show(context.WithoutCancel(ctx), dead, keep))
}

// sendWebhook sends the message for the webhook of a job again. The job stays as it is.
func (r *Redriver) sendWebhook(ctx context.Context, id job.ID, opts Options) (Result, error) {
	j, err := r.Store.Load(ctx, id)
	switch {
	case job.KindOf(err) == job.NotFound, err == nil && j.Deleted:
		return NotThere, nil
	case err != nil:
		return 0, err
	case !opts.asks(j, j.Message):
		return NotAsked, nil
	case opts.DryRun:
		return SentAgain, nil
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	return SentAgain, r.Queue.Send(settle, job.Message{JobID: j.ID, Owner: j.Owner, Trace: opts.Trace, Webhook: true})
}

// letters receives until nothing comes any more.
func letters(ctx context.Context, dead job.DeadLetters) iter.Seq2[job.Delivery, error] {
	return func(yield func(job.Delivery, error) bool) {
		for {
			const most = 10
			ds, err := dead.Receive(ctx, most, deadHidden)
			if err != nil {
				yield(job.Delivery{}, err)
				return
			}
			if len(ds) == 0 {
				return
			}
			for i, d := range ds {
				if !yield(d, nil) {
					_ = show(context.WithoutCancel(ctx), dead, ds[i:]) // or they show up by themselves, later
					return
				}
			}
		}
	}
}

// show makes deliveries visible again at once.
func show(ctx context.Context, q job.DeadLetters, ds []job.Delivery) error {
	var failed error
	err := sideBySide(ctx, untroubled(ds), func(d job.Delivery) func() {
		err := q.Extend(ctx, d.Receipt, 0)
		if job.KindOf(err) == job.NotFound {
			err = nil // it is visible already
		}
		return func() { failed = errors.Join(failed, err) }
	})
	return errors.Join(err, failed)
}

// untroubled yields what is in s, and no error.
func untroubled[T any](s []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range s {
			if !yield(one, nil) {
				return
			}
		}
	}
}
