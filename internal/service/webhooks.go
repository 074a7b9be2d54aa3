package service

import (
	"context"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/webhook"
)

// Webhooks is what the service needs to take webhooks.
type Webhooks interface {
	// Check refuses a URL that no event may be posted to.
	Check(address string) error
	// Public returns the public keys that verify events.
	Public() []string
	// Secrets returns the secrets that verify the events of an owner's jobs.
	Secrets(owner string) []string
	// Send sends a message to the queue of webhooks.
	Send(ctx context.Context, m job.Message) error
}

var errNoWebhooks = job.Errorf(job.Invalid, "this service sends no webhooks, because its operator has set no WEBHOOK_KEY; submit without webhook, and read the job's status")

// takeWebhook reads where the job's end is to be posted.
func (u *submit) takeWebhook() error {
	if u.in.Webhook == nil {
		return nil
	}
	address := u.in.Webhook()
	switch {
	case address == "":
		return nil
	case u.s.webhooks == nil:
		return errNoWebhooks
	}
	if err := u.s.webhooks.Check(address); err != nil {
		return job.Wrap(job.Invalid, err, "webhook: "+job.MessageOf(err))
	}
	u.job.Webhook, u.job.WebhookBase = address, u.in.Base
	return nil
}

// announceEnd sends the message for the webhook of a job that is about to end by a write of
// the service. It is sent before the write, which a crash may follow: a receiver that gets it too
// early waits for the write. Nothing is sent for a job without a webhook.
func (s *Service) announceEnd(ctx context.Context, j *job.Job) error {
	if j.Webhook == "" || s.webhooks == nil {
		return nil
	}
	if err := s.webhooks.Send(ctx, job.Message{JobID: j.ID, Owner: j.Owner, Webhook: true}); err != nil {
		return job.Wrap(job.KindOf(err), err, "the queue of webhooks did not accept the job's end; try again")
	}
	return nil
}

var errNoWebhook = job.Errorf(job.NotFound, "this job has no webhook; name one at the submit")

// Deliveries returns a job and what became of its webhook; a log without an event when
// nothing has been tried yet. NotFound when the job has no webhook.
func (s *Service) Deliveries(ctx context.Context, who job.Caller, id job.ID) (*job.Job, *job.EventLog, error) {
	j, load, err := s.authz.Deliveries(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	if j.Webhook == "" {
		return nil, nil, errNoWebhook
	}
	log, err := load(ctx)
	if log, err = webhook.Log(j, log, err); err != nil {
		return nil, nil, err
	}
	return s.effective(j), log, nil
}

// replayPause is the minimum time between two requests to send an event of a job again.
const replayPause = 10 * time.Second

// Redeliver sends the webhook of a job that is over again, with further tries if that fails,
// as after the job's end. Conflict when the job is not over.
func (s *Service) Redeliver(ctx context.Context, who job.Caller, id job.ID, trace map[string]string) (*job.Job, *job.EventLog, error) {
	if err := s.quota.Request(who.Owner(), job.Repeats, 0); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle)
	defer cancel()
	for {
		j, events, err := s.authz.Redeliver(ctx, who, id)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case j.Webhook == "":
			return nil, nil, errNoWebhook
		case s.webhooks == nil:
			return nil, nil, job.Errorf(job.Conflict, "this service sends no webhooks any more, because its operator has set no WEBHOOK_KEY")
		case !j.Status.Over() || !j.WebhookDue:
			return nil, nil, job.Errorf(job.Conflict, "the job is not over, so there is nothing to deliver yet")
		}
		log, err := events.LoadEvents(ctx, j.ObjectID())
		if log, err = webhook.Log(j, log, err); err != nil {
			return nil, nil, err
		}
		now := s.now()
		if left := log.ReplayedAt.Add(replayPause).Sub(now); left > 0 {
			return nil, nil, &job.Error{Kind: job.Exhausted, RetryAfter: left, Message: "the webhook of this job was called again a moment ago; try again shortly"}
		}
		log.State, log.Tries, log.NotBefore = job.EventPending, 0, time.Time{}
		log.ReplayedAt, log.Revision = now.UTC().Truncate(time.Millisecond), uuid.NewString()
		log.Version, err = events.SaveEvents(ctx, j.ObjectID(), log)
		if job.KindOf(err) == job.Conflict {
			continue
		}
		if err == nil {
			err = s.webhooks.Send(ctx, job.Message{JobID: j.ID, Owner: j.Owner, Trace: trace, Webhook: true})
		}
		if err != nil {
			return nil, nil, job.Wrap(job.KindOf(err), err, "the webhook could not be put into its queue; try again shortly")
		}
		return j, log, nil
	}
}

// WebhookKeys returns the public keys that verify webhooks, which anyone may know. NotFound
// when there are none.
func (s *Service) WebhookKeys() ([]string, error) {
	if s.webhooks == nil {
		return nil, job.Errorf(job.NotFound, "this service sends no webhooks, because its operator has set no WEBHOOK_KEY")
	}
	return s.webhooks.Public(), nil
}

// WebhookSecrets returns the secrets that verify the webhooks of who's own jobs.
func (s *Service) WebhookSecrets(ctx context.Context, who job.Caller) ([]string, error) {
	if err := s.authz.Secret(ctx, who); err != nil {
		return nil, err
	}
	if _, err := s.WebhookKeys(); err != nil {
		return nil, err
	}
	return s.webhooks.Secrets(who.Owner()), nil
}
