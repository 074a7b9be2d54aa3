package job

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// Task is what a processor gets.
type Task struct {
	ID    ID
	Input Media
	// Image is the input, read at most once and never closed by the processor.
	Image io.Reader
	// Params is the client's JSON object, untouched; nil when there is none.
	Params json.RawMessage
	// Attempt is 1 for the first.
	Attempt int
	// Progress may be called at any time from any goroutine with a fraction of 0..1
	// and a word; it never blocks. Never nil.
	Progress func(fraction float64, note string)
}

// Result is what a processor gives back.
type Result struct {
	// ContentType is the media type of Body; empty when the bytes decide.
	ContentType string
	// Width and Height are in pixels; zero when unknown.
	Width, Height int
	// Body is the result, streamed. An error from Read is the failure of the
	// processing, with its Kind. The caller closes it, read to its end or not, which
	// releases everything that the processor holds.
	Body io.ReadCloser
	// Units, called after Body's end, tells the billable units that the processor
	// reports; nil when it reports none.
	Units func() float64
}

// Processor turns an image into a result. Safe for concurrent use.
//
// The kind of an error decides what becomes of the job: Invalid, TooLarge and
// Unsupported mean never (the client's sentence is the Error's Message); everything
// else means later, after RetryAfter when it is set, until the attempts are used up.
// When ctx ends, Process and Read return soon, with ctx's error.
type Processor interface {
	Process(ctx context.Context, t Task) (*Result, error)
}

// Limiter keeps what is under way at once within a bound on its size, such as the memory of
// a worker, where a number of jobs says little. Safe for concurrent use.
type Limiter interface {
	// Acquire waits until there is room for the task, whose Image is nil, and takes it up
	// until release is called. An error is ctx's own, or that of params which no processor
	// would take. No task waits forever because of others that come later.
	Acquire(ctx context.Context, t Task) (release func(), err error)
}

// Rules is the part of a processor that a submit asks before anything is stored, so
// that the client can correct a mistake at once. No input, no output, no state.
type Rules interface {
	// CheckParams returns an Invalid error whose sentence names the mistake, or nil.
	// Params is nil or a JSON object. It is TooLarge or Invalid when the processor cannot
	// do that with this image, whose size is zero as long as it is not known.
	CheckParams(input Media, params json.RawMessage) error
	// Accepts reports whether the processor takes images of this media type.
	Accepts(contentType string) bool
}

// ErrStopping is the cause with which a worker's context ends when the worker shuts down:
// the job goes back to the queue and no attempt counts.
var ErrStopping = errors.New("worker is stopping")
