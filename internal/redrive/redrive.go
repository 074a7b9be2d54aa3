// Package redrive holds what operators do: it puts failed jobs and the jobs of dead letters
// back into the queue.
package redrive

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// Redriver puts failed jobs back, of any owner. It acts for the operator and not for a
// principal: no client reaches it, and its caller holds the keys to bucket and queue. It is
// safe for concurrent use.
type Redriver struct{ Config }

// Config is what a [Redriver] is made of. All fields are needed.
type Config struct {
	Store job.Store
	Queue job.Queue
	// Retention is that of the service's Limits: how long a message lives.
	Retention time.Duration
	Now       func() time.Time
}

// New returns a redriver made of c.
func New(c Config) *Redriver { return &Redriver{c} }

// Result says what became of a job that was to be put back.
type Result uint8

const (
	// Requeued: it had failed; it is pending again, with all its attempts, and queued.
	Requeued Result = iota
	// SentAgain: it is not over, or its webhook is meant; a message was sent for it, which does
	// no harm.
	SentAgain

	// All that follow were left as they are.

	StillPending  // it waits for a worker
	InWork        // a worker has it
	Finished      // it is completed
	Canceled      // it is canceled, or its time to be is over
	NotThere      // there is no such job (any more)
	NeverAccepted // its submit was answered with an error, so no client waits for it
	NeverUploaded // its image was announced, and never came
	ImageGone     // it failed, and its image is no longer in storage
	NotAsked      // its owner or reason is another than was asked for

	results
)

var resultNames = [results]string{
	"put back", "sent again", "still pending", "in work", "completed", "canceled", "gone", "never accepted", "never uploaded", "without its image", "not asked for",
}

// String says it in words for a person.
func (r Result) String() string { return resultNames[r] }

// Left reports whether the job was left as it is.
func (r Result) Left() bool { return r != Requeued && r != SentAgain }

// Options say which jobs are meant. The zero value means any that has failed.
type Options struct {
	// Owner: only this owner's jobs; empty for everybody's.
	Owner string
	// Reason: only jobs whose message, as a client sees it, contains this.
	Reason string
	// Undelivered: the job's message is known not to reach a worker, so that one is sent
	// for every job that is not over.
	Undelivered bool
	// Trace is the trace context of that message; may be nil.
	Trace map[string]string
	// DryRun: nothing is changed or sent; only said what would be.
	DryRun bool
}

// asks reports whether a job with this message is meant.
func (o Options) asks(j *job.Job, message string) bool {
	return (o.Owner == "" || j.Owner == o.Owner) && strings.Contains(message, o.Reason)
}

// Redrive puts a failed job back: from failed to pending by compare-and-swap, then a
// message. It does the same with a job whose effective status alone is failed, since no
// message of it is left. Its attempts begin anew; what it has used is billed once, under
// the end that it came to first.
//
// It may be repeated, also after it broke off between document and message: a job that
// was put back and not taken since gets a message again. Once the document has changed
// the message is sent even when ctx is canceled.
func (r *Redriver) Redrive(ctx context.Context, id job.ID, opts Options) (Result, error) {
	for {
		j, err := r.Store.Load(ctx, id)
		if job.KindOf(err) == job.NotFound {
			return NotThere, nil
		}
		if err != nil {
			return 0, err
		}
		what, err := r.judge(ctx, j, opts)
		if err != nil || what.Left() || opts.DryRun {
			return what, err
		}
		settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
		if what == Requeued {
			j.Requeue(r.Now())
			_, err = r.Store.Swap(settle, j.Stamp(r.Now()))
		}
		if err == nil {
			err = r.Queue.Send(settle, job.Message{JobID: j.ID, Owner: j.Owner, Trace: opts.Trace})
			cancel()
			return what, err
		}
		cancel()
		if job.KindOf(err) != job.Conflict || ctx.Err() != nil {
			return 0, err
		}
	}
}

// judge says what is to be done with a job.
func (r *Redriver) judge(ctx context.Context, j *job.Job, opts Options) (Result, error) {
	seen := j.Effective(r.Now(), r.Retention)
	switch {
	case j.Deleted:
		return NotThere, nil
	case !opts.asks(j, seen.Message):
		return NotAsked, nil
	case j.Unaccepted:
		return NeverAccepted, nil
	case j.Status == job.Completed:
		return Finished, nil
	case j.Status == job.StatusCanceled, j.CancelDue(r.Now()):
		return Canceled, nil
	case !j.UploadUntil.IsZero():
		return NeverUploaded, nil
	case seen.Status == job.Failed:
		_, err := r.Store.Stat(ctx, job.Input, j.ObjectID())
		if job.KindOf(err) == job.NotFound {
			return ImageGone, nil
		}
		return Requeued, err
	case opts.Undelivered:
		return SentAgain, nil
	case j.Status == job.Processing:
		return InWork, nil
	case !j.RedrivenAt.IsZero():
		return SentAgain, nil
	}
	return StillPending, nil
}

// sendTimeout bounds the writes of one redrive, also when the caller leaves meanwhile.
const sendTimeout = 8 * time.Second

// redriveAtOnce is how many jobs are looked at side by side.
const redriveAtOnce = 16

// RedriveAll puts back what it can of ids, and tells of each job what became of it, or
// why that failed, one at a time and in no order. It ends with the first error of ids,
// or with that of ctx; what has begun is finished.
func (r *Redriver) RedriveAll(ctx context.Context, ids iter.Seq2[job.ID, error], opts Options, tell func(job.ID, Result, error)) error {
	return sideBySide(ctx, ids, func(id job.ID) func() {
		what, err := r.Redrive(ctx, id, opts)
		return func() { tell(id, what, err) }
	})
}

// sideBySide does work for all, some at once. What work returns is called one at a time.
func sideBySide[T any](ctx context.Context, all iter.Seq2[T, error], work func(T) (then func())) error {
	var mu sync.Mutex // held by what work returns
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, redriveAtOnce)
	for one, err := range all {
		if err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		running.Go(func() {
			then := work(one)
			mu.Lock()
			defer mu.Unlock()
			then()
			<-slots
		})
	}
	return nil
}
