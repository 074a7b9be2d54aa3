package job

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"
)

// Operator puts jobs back that have failed, of whatever owner. Like [Runner] it acts for
// the operator and not for a principal: no client reaches it, only who holds the keys to
// bucket and queue, and a monitor could not keep him from anything. A transport that
// offered it to clients would have to ask for [ActionAdminister] first. It is safe for
// concurrent use.
type Operator struct{ OperatorConfig }

// OperatorConfig is what an [Operator] is made of. All fields are needed.
type OperatorConfig struct {
	Store Store
	Queue Queue
	// Retention is that of the service's Limits: how long a message lives.
	Retention time.Duration
	Now       func() time.Time
}

// NewOperator returns an operator made of c.
func NewOperator(c OperatorConfig) *Operator { return &Operator{c} }

// Index lists the jobs that have documents. Safe for concurrent use.
type Index interface {
	// Jobs yields the jobs whose documents were last written from..to by the store's own
	// clock (both included; a zero time is no bound), each once, those that are written
	// meanwhile perhaps not. It ends at the first error, whose kinds are those of
	// [Documents].
	Jobs(ctx context.Context, from, to time.Time) iter.Seq2[ID, error]
}

// Redriven says what became of a job that was to be put back.
type Redriven uint8

const (
	// PutBack: it had failed; it is pending again, with all its attempts, and queued.
	PutBack Redriven = iota
	// SentAgain: it is not over; a message was sent for it, which does no harm.
	SentAgain

	// All that follow were left as they are.

	StillPending  // it waits for a worker
	InWork        // a worker has it
	Finished      // it is completed
	NotThere      // there is no such job (any more)
	NeverAccepted // its submit was answered with an error, so nobody waits for it
	NeverUploaded // its image was announced, and never came
	ImageGone     // it failed, and its image is no longer in storage
	NotAsked      // its owner or reason is another than was asked for

	redrivenKinds
)

var redrivenNames = [redrivenKinds]string{
	"put back", "sent again", "still pending", "in work", "completed", "gone", "never accepted", "never uploaded", "without its image", "not asked for",
}

// String says it in words for a person.
func (r Redriven) String() string { return redrivenNames[r] }

// Left reports whether the job was left as it is.
func (r Redriven) Left() bool { return r != PutBack && r != SentAgain }

// RedriveOptions say which jobs are meant. The zero value means any that has failed.
type RedriveOptions struct {
	// Owner: only this owner's jobs; empty for everybody's.
	Owner string
	// Reason: only jobs whose message, as a client is told it, has this in it.
	Reason string
	// Undelivered: the job's message is known not to reach a worker, so that one is sent
	// for every job that is not over.
	Undelivered bool
	// Trace is the trace context of that message; may be nil.
	Trace map[string]string
	// DryRun: nothing is changed or sent; only said what would be.
	DryRun bool
}

// Redrive puts a failed job back: from failed to pending by compare-and-swap, then a
// message. So does it with a job that is only told as failed, since no message of it is
// left. Its attempts begin anew; what it has used is billed once, as ever: under the
// end that it came to first.
//
// It may be repeated, also after it broke off between document and message: a job that
// was put back and not taken since gets a message again. Once the document has changed
// the message is sent even when ctx is cancelled.
func (o *Operator) Redrive(ctx context.Context, id ID, opts RedriveOptions) (Redriven, error) {
	for {
		j, err := o.Store.Load(ctx, id)
		if KindOf(err) == NotFound {
			return NotThere, nil
		}
		if err != nil {
			return 0, err
		}
		what, err := o.judge(ctx, j, opts)
		if err != nil || what.Left() || opts.DryRun {
			return what, err
		}
		settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		if what == PutBack {
			putBack(j, o.Now())
			_, err = o.Store.Swap(settle, stamp(j, o.Now()))
		}
		if err == nil {
			err = o.Queue.Send(settle, Message{JobID: j.ID, Owner: j.Owner, Trace: opts.Trace})
			cancel()
			return what, err
		}
		cancel()
		if KindOf(err) != Conflict || ctx.Err() != nil {
			return 0, err
		}
	}
}

// judge says what is to be done with a job.
func (o *Operator) judge(ctx context.Context, j *Job, opts RedriveOptions) (Redriven, error) {
	seen := told(j, o.Now(), o.Retention)
	switch {
	case j.Deleted:
		return NotThere, nil
	case opts.Owner != "" && j.Owner != opts.Owner, !strings.Contains(seen.Message, opts.Reason):
		return NotAsked, nil
	case j.Unaccepted:
		return NeverAccepted, nil
	case j.Status == Completed:
		return Finished, nil
	case !j.UploadUntil.IsZero():
		return NeverUploaded, nil
	case seen.Status == Failed:
		_, err := o.Store.Stat(ctx, Input, j.ID)
		if KindOf(err) == NotFound {
			return ImageGone, nil
		}
		return PutBack, err
	case opts.Undelivered:
		return SentAgain, nil
	case j.Status == Processing:
		return InWork, nil
	case !j.RedrivenAt.IsZero():
		return SentAgain, nil
	}
	return StillPending, nil
}

// putBack makes a failed job pending.
func putBack(j *Job, now time.Time) {
	if j.Status == Failed && j.Attempts > 0 && j.BilledAt.IsZero() {
		j.BilledAt = j.end()
	}
	j.Status, j.Message, j.Attempts = Pending, "", 0
	j.Worker, j.LeaseUntil, j.StartedAt, j.EndedAt = "", time.Time{}, time.Time{}, time.Time{}
	j.RedrivenAt = now.UTC()
}

// redriveAtOnce is how many jobs are looked at side by side.
const redriveAtOnce = 16

// RedriveAll puts back what it can of ids, and tells of each job what became of it, or
// why that failed, one at a time and in no order. It ends with the first error of ids,
// or with that of ctx; what has begun is finished.
func (o *Operator) RedriveAll(ctx context.Context, ids iter.Seq2[ID, error], opts RedriveOptions, tell func(ID, Redriven, error)) error {
	return sideBySide(ctx, ids, func(id ID) func() {
		what, err := o.Redrive(ctx, id, opts)
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
