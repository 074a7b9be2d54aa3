package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// lease is one claim on one job, through which the claimant makes every write. It renews
// the document's lease and the message's invisibility during the work, and ends the
// work's context with errLeaseLost once another worker has the job.
type lease struct {
	r        *Runner
	id       job.ID
	delivery job.Delivery
	received time.Time     // time of the delivery
	waited   time.Duration // for a place, which does not count as work
	// abandoned says that the processor did not return in time.
	abandoned bool
	// returned is closed when it does after all.
	returned <-chan struct{}

	mu    sync.Mutex // guards the fields below
	job   job.Job
	tried time.Time // last write of the document, successful or not

	progress *progress // of the processor
}

func newLease(r *Runner, j *job.Job, d job.Delivery, received time.Time) *lease {
	return &lease{r: r, id: j.ID, job: *j, tried: j.UpdatedAt, delivery: d, received: received, progress: newProgress()}
}

// worked returns the seconds of work under this claim so far.
func (l *lease) worked(now time.Time) float64 {
	return max(0, (now.Sub(l.job.StartedAt) - l.waited).Seconds())
}

// snapshot returns the document as last written.
func (l *lease) snapshot() job.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job
}

// swap changes the document. It returns errLeaseLost when the claim is no longer ours, and
// errCanceled when the job has been canceled under it.
func (l *lease) swap(ctx context.Context, change func(*job.Job)) (*job.Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = l.r.Now()
	for {
		if l.job.Status == job.StatusCanceled {
			return nil, errCanceled
		}
		next := l.job
		change(&next)
		written := l.r.charge(ctx, &next)
		version, err := l.r.Store.Swap(ctx, next.Stamp(l.r.Now()))
		if err == nil {
			written()
			next.Version = version
			l.job = next
			return &next, nil
		}
		if job.KindOf(err) != job.Conflict {
			return nil, err
		}
		// Under this claim the other writers are an earlier renewal whose answer was lost, and a
		// cancellation. Otherwise another worker has the claim.
		if err := l.reload(ctx); err != nil {
			return nil, err
		}
	}
}

// verify reads the document. Its errors are those of swap.
func (l *lease) verify(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reload(ctx)
}

func (l *lease) reload(ctx context.Context) error {
	j, err := l.r.Store.Load(ctx, l.id)
	switch {
	case job.KindOf(err) == job.NotFound:
		return errLeaseLost
	case err != nil:
		return err
	case j.Deleted || j.Status != job.Processing && j.Status != job.StatusCanceled || j.Worker != l.job.Worker || !j.StartedAt.Equal(l.job.StartedAt):
		return errLeaseLost
	}
	l.job = *j
	if j.Status == job.StatusCanceled {
		return errCanceled
	}
	return nil
}

// keep renews the lease until stop is called; stop waits for the last renewal. It writes
// the processor's progress with the renewals, or between them at the intervals of
// progressPause.
func (l *lease) keep(ctx context.Context) (work context.Context, stop func()) {
	work, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTimer(l.r.Lease / 3)
		defer tick.Stop()
		end := l.cancelTimer()
		defer end.Stop()
		due := time.NewTimer(l.r.Lease)
		due.Stop()
		defer due.Stop()
		for {
			var err error
			select {
			case <-work.Done():
				return
			case <-tick.C:
				err = l.renew(work)
				tick.Reset(l.r.Lease/3 - min(l.age(), l.r.Lease/6))
			case <-end.C:
				err = errCanceled
			case <-l.progress.news:
				due.Reset(l.pause())
			case <-due.C:
				if pause := l.pause(); pause > 0 {
					due.Reset(pause)
				} else if l.progress.differs(l.snapshot().Progress) {
					err = l.write(work)
				}
			}
			if err != nil {
				cancel(err)
				return
			}
		}
	}()
	return work, func() {
		cancel(context.Canceled)
		<-done
	}
}

// cancelTimer fires when the job's Cancel-After is over, if it has one.
func (l *lease) cancelTimer() *time.Timer {
	snapshot := l.snapshot()
	at := snapshot.CancelAt()
	t := time.NewTimer(at.Sub(l.r.Now()))
	if at.IsZero() {
		t.Stop()
	}
	return t
}

// age returns the time since the last write of the document.
func (l *lease) age() time.Duration { return l.r.Now().Sub(l.snapshot().UpdatedAt) }

// pause returns how long a write that only carries progress must wait.
func (l *lease) pause() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return progressPause - l.r.Now().Sub(l.tried)
}

// renew extends document and message. An error means that the lease is lost or the job is
// canceled. Two writes of the document are at most a third of the lease apart.
func (l *lease) renew(ctx context.Context) error {
	if l.age() >= l.r.Lease/6 { // otherwise a write of progress has just renewed it
		if err := l.write(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, l.r.Lease/3) // a mute queue must not cost the lease
	defer cancel()
	l.hide(ctx)
	return nil
}

// hide keeps the message invisible, as long as the queue can. A failure does no harm: a second
// delivery finds the lease in the document.
func (l *lease) hide(ctx context.Context) {
	d := l.r.hidden(l.r.Lease, l.received)
	if d <= 0 {
		return
	}
	if err := l.r.Queue.Extend(ctx, l.delivery.Receipt, d); err != nil && ctx.Err() == nil {
		l.r.Logger.WarnContext(ctx, "cannot extend the message's visibility timeout", "job_id", l.id, "error", err)
	}
}

// write extends the document's lease and writes the progress. An error means that the
// lease is lost or the job is canceled; storage that does not answer loses nothing while
// the lease lasts.
func (l *lease) write(ctx context.Context) error {
	_, err := l.swap(ctx, func(j *job.Job) {
		j.LeaseUntil = l.r.Now().Add(l.r.Lease).UTC()
		j.Progress = l.progress.load()
	})
	if errors.Is(err, errCanceled) {
		return err
	}
	if err != nil && ctx.Err() == nil && l.r.Now().After(l.snapshot().LeaseUntil) {
		return errLeaseLost
	}
	if err == errLeaseLost {
		return err
	}
	return nil
}
