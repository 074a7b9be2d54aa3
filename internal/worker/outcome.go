package worker

import (
	"errors"
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
