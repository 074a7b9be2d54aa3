package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

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

// Config is what a [Service] is made of. All fields but Previewer, Quota, Crowded and Draining
// are needed.
type Config struct {
	Store     job.Store
	Presigner job.Presigner
	Ledger    job.Ledger
	Queue     job.Queue
	Monitor   job.Monitor
	Rules     job.Rules
	Inspector job.Inspector
	Witness   job.Previewer // nil: nobody looks
	Quota     job.Quota     // nil: no limits
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
	authz     *authz.Authorizer
	presigner job.Presigner
	queue     job.Queue
	rules     job.Rules
	inspector job.Inspector
	witness   job.Previewer
	quota     job.Quota
	limits    Limits
	waiters   chan struct{} // one element for each caller who waits
	uploads   chan struct{} // one element for each upload under way
	crowded   func(int64) bool
	draining  <-chan struct{}
	now       func() time.Time
	log       *slog.Logger
}

// NewService returns a service made of c.
func New(c Config) *Service {
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
		authz:     authz.New(authz.Config{Store: c.Store, Ledger: c.Ledger, Monitor: c.Monitor, Now: c.Now}),
		presigner: c.Presigner, queue: c.Queue, rules: c.Rules, inspector: c.Inspector, witness: c.Witness, quota: c.Quota,
		limits: c.Limits, uploads: make(chan struct{}, c.Limits.Uploads), waiters: make(chan struct{}, c.Limits.Waiters), crowded: c.Crowded, draining: c.Draining, now: c.Now, log: c.Logger,
	}
}

type unlimited struct{}

func (unlimited) Submit(string) error       { return nil }
func (unlimited) Bytes(string, int64) error { return nil }

type blind struct{}

func (blind) Watch() job.Preview { return nil }

// Ready reports whether the backends answer, with one error that names each that
// does not. It is asked by the platform, not by a principal, and tells nothing of jobs.
func (s *Service) Ready(ctx context.Context) error {
	queue := make(chan error, 1)
	go func() { queue <- s.queue.Ready(ctx) }()
	return errors.Join(s.authz.Ready(ctx), <-queue)
}

// Status returns the job as the caller may see it. A job that can no longer end by
// itself is told as failed, whatever its document says.
func (s *Service) Status(ctx context.Context, who job.Caller, id job.ID) (*job.Job, error) {
	j, err := s.authz.Status(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return s.seen(ctx, j)
}

// seen is the job as its status shows it.
func (s *Service) seen(ctx context.Context, j *job.Job) (_ *job.Job, err error) {
	j = s.effective(j)
	j.Upload, err = s.upload(ctx, j)
	return j, err
}

// Output returns the result of a completed job, or the part of it that choose asks for
// once it has seen the job; the caller closes Body. When the job exists but there is no
// output (yet), the error is NotFound and the job is returned beside it.
func (s *Service) Output(ctx context.Context, who job.Caller, id job.ID, choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error) {
	j, open, err := s.authz.Output(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	j = s.effective(j)
	switch j.Status {
	case job.Completed:
	case job.Failed:
		return j, nil, job.Errorf(job.NotFound, "job %s failed and has no output: %s", id, j.Message)
	default:
		return j, nil, job.Errorf(job.NotFound, "job %s is %s and has no output yet; ask its status until it is completed", id, j.Status)
	}
	c, err := open(ctx, choose(j))
	if job.KindOf(err) == job.NotFound {
		return j, nil, job.Wrap(job.NotFound, err, fmt.Sprintf("the output of job %s is gone; outputs are kept for a limited time", id))
	}
	return j, c, err
}

func (s *Service) effective(j *job.Job) *job.Job { return j.Effective(s.now(), s.limits.Retention) }
