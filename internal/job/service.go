package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// Inspector tells what an upload is, from its bytes alone.
type Inspector interface {
	// Detect returns the media type of the image that begins with head (up to
	// [HeadSize] bytes), or "" when it is no image.
	Detect(head []byte) string
	// Inspect begins to follow one image of at most maxPixels in all frames together.
	Inspect(maxPixels int64) Inspection
	// InspectAt looks at a stored image of size bytes here and there. Errors are as
	// those of Inspection, or r's.
	InspectAt(r io.ReaderAt, size, maxPixels int64) (Media, error)
}

// HeadSize is how many bytes of an image Detect wants to see.
const HeadSize = 4096

// Inspection follows one image while it streams by. Not safe for concurrent use.
type Inspection interface {
	// Write takes the next bytes. It returns a TooLarge or Unsupported error with a
	// sentence for the client as soon as the image is known to be one that must not
	// be accepted.
	io.Writer
	// Finish is called once, after the last byte; it returns what is known of the
	// image's dimensions, or the same errors as Write.
	Finish() (Media, error)
}

// Witness sees the accepted images, for the developer's eyes. Its methods never
// block and never fail; nothing that it does may reach the client.
type Witness interface {
	// Watch is called when an upload begins. It may return nil: nothing to see.
	Watch() View
}

// View gets a copy of one upload's bytes, then the news of its acceptance or its end.
type View interface {
	io.Writer
	Accepted(j *Job)
	// Close releases the view; after Accepted too.
	Close()
}

// Limits bound what one job may ask for. All are positive.
type Limits struct {
	MaxBytes  int64 // of an image
	MaxPixels int64 // of an image, all frames together
	// InlineBytes is the most that a submit itself may carry; what is larger is offered
	// a direct upload. No more than MaxBytes.
	InlineBytes int64
	UploadTTL   time.Duration // how long a direct upload may take
	Uploads     int           // how many uploads are taken at once; more are Exhausted, unread
	Waiters     int           // how many callers may wait for the end of a job at once
	// Retention is how long a message lives in the queue. A job that has not been
	// claimed by then never will be, and is told as failed.
	Retention time.Duration
	// Settle bounds what follows the last byte of a submit: the writes, the send, and
	// what has to be undone when one of them fails, for which a third of it is kept.
	Settle time.Duration
}

// Config is what a [Service] is made of. All fields but Witness, Quota, Crowded and Draining
// are needed.
type Config struct {
	Store     Store
	Presigner Presigner
	Ledger    Ledger
	Queue     Queue
	Monitor   Monitor
	Rules     Rules
	Inspector Inspector
	Witness   Witness // nil: nobody looks
	Quota     Quota   // nil: no limits
	Limits    Limits
	// Crowded reports whether there is no room for a body of so many bytes soon; nil: there
	// is always room.
	Crowded  func(bytes int64) bool
	Draining <-chan struct{} // closed when the process is to end and nobody may wait for long any more; nil: never
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service is everything that a principal can do with jobs. Each method asks the
// reference monitor before it does anything. It is safe for concurrent use.
//
// Errors that come out of it have a Kind and a sentence for the client; an error of
// kind Unknown, Unavailable, Misconfigured or Corrupt is the service's own fault.
type Service struct {
	gate      gate
	presigner Presigner
	ledger    Ledger
	queue     Queue
	rules     Rules
	inspector Inspector
	witness   Witness
	quota     Quota
	limits    Limits
	waiters   chan struct{} // one element for each caller who waits
	uploads   chan struct{} // one element for each upload under way
	crowded   func(int64) bool
	draining  <-chan struct{}
	now       func() time.Time
	log       *slog.Logger
}

// NewService returns a service made of c.
func NewService(c Config) *Service {
	if c.Witness == nil {
		c.Witness = blind{}
	}
	if c.Quota == nil {
		c.Quota = unlimited{}
	}
	if c.Crowded == nil {
		c.Crowded = func(int64) bool { return false }
	}
	return &Service{
		gate:      gate{store: c.Store, monitor: c.Monitor, now: c.Now},
		presigner: c.Presigner, ledger: c.Ledger, queue: c.Queue, rules: c.Rules, inspector: c.Inspector, witness: c.Witness, quota: c.Quota,
		limits: c.Limits, uploads: make(chan struct{}, c.Limits.Uploads), waiters: make(chan struct{}, c.Limits.Waiters), crowded: c.Crowded, draining: c.Draining, now: c.Now, log: c.Logger,
	}
}

type unlimited struct{}

func (unlimited) Submit(string) error       { return nil }
func (unlimited) Bytes(string, int64) error { return nil }

type blind struct{}

func (blind) Watch() View { return nil }

// Ready reports whether the backends answer, with one error that names each that
// does not. It is asked by the platform, not by a principal, and tells nothing of jobs.
func (s *Service) Ready(ctx context.Context) error {
	queue := make(chan error, 1)
	go func() { queue <- s.queue.Ready(ctx) }()
	return errors.Join(s.gate.store.Ready(ctx), <-queue)
}

// Status returns the job as the caller may see it. A job that can no longer end by
// itself is told as failed, whatever its document says.
func (s *Service) Status(ctx context.Context, who Caller, id ID) (*Job, error) {
	j, _, err := s.gate.find(ctx, who, ActionReadStatus, id)
	if err != nil {
		return nil, err
	}
	return s.seen(ctx, j)
}

// seen is the job as its status shows it.
func (s *Service) seen(ctx context.Context, j *Job) (_ *Job, err error) {
	j = s.told(j)
	j.Upload, err = s.upload(ctx, j)
	return j, err
}

// Output returns the result of a completed job, or the part of it that choose asks for
// once it has seen the job; the caller closes Body. When the job exists but there is no
// output (yet), the error is NotFound and the job is returned beside it.
func (s *Service) Output(ctx context.Context, who Caller, id ID, choose func(*Job) OpenOptions) (*Job, *Content, error) {
	j, ok, err := s.gate.find(ctx, who, ActionReadOutput, id)
	if err != nil {
		return nil, nil, err
	}
	j = s.told(j)
	switch j.Status {
	case Completed:
	case Failed:
		return j, nil, Errorf(NotFound, "job %s failed and has no output: %s", id, j.Message)
	default:
		return j, nil, Errorf(NotFound, "job %s is %s and has no output yet; ask its status until it is completed", id, j.Status)
	}
	c, err := s.gate.objects(ok).Open(ctx, Output, id, choose(j))
	if KindOf(err) == NotFound {
		return j, nil, Wrap(NotFound, err, fmt.Sprintf("the output of job %s is gone; outputs are kept for a limited time", id))
	}
	return j, c, err
}

func (s *Service) told(j *Job) *Job { return told(j, s.now(), s.limits.Retention) }

// told is the job as clients are told of it: one that nothing will ever end, since its
// message is older than the queue's retention, is failed.
func told(j *Job, now time.Time, retention time.Duration) *Job {
	var why string
	switch {
	case j.Status == Pending && !j.UploadUntil.IsZero():
		if now.After(j.UploadUntil) {
			why = "the image was never uploaded and committed; submit it again"
		}
	case j.Status == Pending && now.Sub(j.UpdatedAt) > retention:
		why = "no worker took this job in time; submit it again"
	case j.Status == Processing && now.After(j.LeaseUntil) && now.Sub(j.QueuedAt()) > retention:
		why = "the worker that took this job was lost and none took it over in time; submit it again"
	}
	if why == "" {
		return j
	}
	c := *j
	c.Status, c.Message = Failed, why
	return &c
}

// stamp readies j for its next write: a fresh revision and the time of the change.
func stamp(j *Job, now time.Time) *Job {
	j.Revision = uuid.NewString()
	j.UpdatedAt = now.UTC().Truncate(time.Millisecond)
	return j
}
