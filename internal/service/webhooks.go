package service

import (
	"context"

	"claimcheck.example/internal/job"
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
