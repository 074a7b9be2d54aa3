package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
	"claimcheck.example/internal/service/authz"
	"claimcheck.example/internal/signature"
)

// Limits bound one job. All are positive.
type Limits struct {
	MaxBytes  int64 // of an image
	MaxPixels int64 // of an image, all frames together
	// InlineBytes is the most that a submit itself may carry; what is larger is offered
	// a direct upload. No more than MaxBytes.
	InlineBytes int64
	UploadTTL   time.Duration // how long a direct upload may take
	Fetches     int           // how many images may be fetched at once, shared fairly by owner
	Waiters     int           // how many callers may wait for the end of a job at once, shared fairly by owner
	// Retention is how long a message lives in the queue. A job that has not been
	// claimed by then never will be; its effective status is failed.
	Retention time.Duration
	// Settle bounds what follows the last byte of a submit: the writes, the send, and
	// what has to be undone when one of them fails, for which a third of it is kept.
	Settle time.Duration
}

// Config is what a [Service] is made of. All fields but Outbox, Changes, Lists, Fetcher, Webhooks,
// Previewer, Quota, LinkKeys and Draining are needed.
type Config struct {
	Store     job.Store
	Outbox    job.Outbox  // nil where documents and queue are not in one place
	Changes   job.Changes // nil where the store reports no changes of documents
	Presigner job.Presigner
	Ledger    job.Ledger
	Lists     job.Lists // nil: no lists are kept
	Queue     job.Queue
	Monitor   job.Monitor
	Fetcher   job.Fetcher // nil: no image is fetched from a source
	Rules     job.Rules
	Inspector job.Inspector
	Previewer job.Previewer // nil: no previews
	Quota     job.Quota     // nil: no limits
	Charges   job.Charges   // the zero value: no requests are charged for
	Limits    Limits
	LinkKeys  signature.Keys // sign links to outputs; none: there are no links
	Events    job.EventLogs
	Webhooks  Webhooks        // nil: no webhooks
	Draining  <-chan struct{} // closed when the process is about to end and no caller may wait any longer; nil: never
	Now       func() time.Time
	Logger    *slog.Logger
}

// Service is everything that a principal can do with jobs. Each method asks the
// reference monitor before it does anything. It is safe for concurrent use.
//
// Errors that come out of it have a Kind and a sentence for the client; an error of
// kind Unknown, Unavailable, Misconfigured or Corrupt is the service's own fault.
type Service struct {
	authz     *authz.Authorizer
	presigner job.Presigner
	changes   job.Changes
	queue     job.Queue
	rules     job.Rules
	inspector job.Inspector
	previewer job.Previewer
	quota     job.Quota
	limits    Limits
	charges   job.Charges
	listing   bool          // lists are kept
	waiters   *limiter.Pool // of callers who wait
	fetcher   job.Fetcher
	fetches   *limiter.Pool // of images that are fetched
	sent      sent
	asking    sync.Map // the owners who wait for usage
	webhooks  Webhooks
	draining  <-chan struct{}
	now       func() time.Time
	log       *slog.Logger
}

// New returns a service with that configuration.
func New(c Config) *Service {
	if c.Previewer == nil {
		c.Previewer = blind{}
	}
	if c.Quota == nil {
		c.Quota = unlimited{}
	}
	if c.Changes == nil {
		c.Changes = unreported{}
	}
	listing := c.Lists != nil
	if !listing {
		c.Lists = unlisted{}
	}
	return &Service{
		authz:     authz.New(authz.Config{Store: c.Store, Outbox: c.Outbox, Ledger: c.Ledger, Lists: c.Lists, Events: c.Events, Monitor: c.Monitor, Now: c.Now, LinkKeys: c.LinkKeys}),
		presigner: c.Presigner, changes: c.Changes, queue: c.Queue, rules: c.Rules, inspector: c.Inspector, previewer: c.Previewer, quota: c.Quota,
		fetcher: c.Fetcher, fetches: limiter.NewPool(limiter.PoolOptions{Places: c.Limits.Fetches, Wait: fetchWait, Of: "fetches"}),
		limits: c.Limits, charges: c.Charges, listing: listing, waiters: limiter.NewPool(limiter.PoolOptions{Places: c.Limits.Waiters, Of: "callers"}), webhooks: c.Webhooks, draining: c.Draining, now: c.Now, log: c.Logger,
	}
}

// fetchWait is how long a submit waits for its turn to fetch its image.
const fetchWait = 10 * time.Second

// Ready reports whether the backends answer, with one error that names each that does
// not. The platform calls it, not a principal, and it reveals nothing of jobs.
func (s *Service) Ready(ctx context.Context) error {
	queue := make(chan error, 1)
	go func() { queue <- s.queue.Ready(ctx) }()
	return errors.Join(s.authz.Ready(ctx), <-queue)
}

func (s *Service) send(ctx context.Context, j *job.Job, trace map[string]string) error {
	err := s.queue.Send(ctx, messageOf(j, trace))
	if err == nil {
		s.sent.add(j, s.now())
	}
	return err
}

func messageOf(j *job.Job, trace map[string]string) job.Message {
	return job.Message{JobID: j.ID, Owner: j.Owner, Trace: trace}
}
