package service

import (
	"context"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/webhook"
)

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
