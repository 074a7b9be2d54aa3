package job

import (
	"context"
	"errors"
	"iter"
	"time"
)

// deadHidden is how long a dead letter that is looked at is hidden from others, should
// this process not live to put it back.
const deadHidden = 30 * time.Minute

// DeadLetters counts what a dead-letter queue held.
type DeadLetters struct {
	// Removed: its job has been put back, has a new message, or needs none.
	Removed int
	// Kept: not asked for, or its job's redrive failed.
	Kept int
	// Malformed: kept, since it is no message of this service.
	Malformed int
}

// RedriveDead puts back the jobs of all dead letters, tells of each as RedriveAll does,
// and removes the letters that have served. It ends once the queue gives no more.
func (o *Operator) RedriveDead(ctx context.Context, dead Queue, opts RedriveOptions, tell func(ID, Redriven, error)) (n DeadLetters, err error) {
	opts.Undelivered = true
	var keep []Delivery
	err = sideBySide(ctx, letters(ctx, dead), func(d Delivery) func() {
		if d.Malformed != "" {
			return func() {
				n.Malformed++
				keep = append(keep, d)
			}
		}
		opts := opts
		opts.Trace = d.Trace
		what, err := o.Redrive(ctx, d.JobID, opts)
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

// letters receives until nothing comes any more.
func letters(ctx context.Context, dead Queue) iter.Seq2[Delivery, error] {
	return func(yield func(Delivery, error) bool) {
		for {
			const most = 10
			ds, err := dead.Receive(ctx, most, deadHidden)
			if err != nil {
				yield(Delivery{}, err)
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
func show(ctx context.Context, q Queue, ds []Delivery) error {
	var failed error
	err := sideBySide(ctx, untroubled(ds), func(d Delivery) func() {
		err := q.Extend(ctx, d.Receipt, 0)
		if KindOf(err) == NotFound {
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
