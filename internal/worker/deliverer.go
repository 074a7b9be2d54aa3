package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/webhook"
)

// DelivererConfig configures a [Deliverer]. All fields are required.
type DelivererConfig struct {
	Documents job.Documents
	Events    job.EventLogs
	// Queue is the queue of the deliveries.
	Queue job.Queue
	// Retention is how long that queue keeps a message.
	Retention time.Duration
	Keys      *webhook.Keys
	Post      webhook.Post
	// Concurrency is the number of tries at once; one owner has three quarters of them at most.
	Concurrency int
	// Status returns a job's status as the API does.
	Status func(*job.Job) []byte
	Now    func() time.Time
	Logger *slog.Logger
}

// Deliverer notifies the receivers of webhooks of ended jobs. It is safe for concurrent use.
type Deliverer struct {
	DelivererConfig
	shares *shares
}

// NewDeliverer returns a deliverer made of c.
func NewDeliverer(c DelivererConfig) *Deliverer {
	return &Deliverer{c, newShares(c.Concurrency)}
}

const (
	// tooEarly is how often a message may arrive before the end of its job: the message can be
	// a moment ahead of the document.
	tooEarly = 20
	// hopAfter is the maximum number of receives of a message. Then a new message replaces it,
	// long before it becomes a dead letter.
	hopAfter = 40
)

// Run carries out one delivery of a message that is for a webhook: one try, if one is due.
// The event log says when the next one is, and the message waits for it in the queue. A
// process that dies between the receiver's answer and the log's write leaves a try that is
// made again: an event arrives at least once.
func (d *Deliverer) Run(ctx context.Context, m job.Delivery) Outcome {
	received := d.Now()
	out := d.run(ctx, m)
	if out.Verdict != Later {
		return out
	}
	out.After = min(out.After, d.Retention/2) // the event log knows when the next try is due
	if d.worn(m, out.After) {
		if err := d.Queue.Send(ctx, m.Message); err == nil {
			return Outcome{Verdict: Done, Job: out.Job, Err: out.Err}
		}
	}
	out.After = max(0, hidden(d.Queue, out.After, received, d.Now()))
	return out
}

// worn reports whether a new message must replace this one before it waits: otherwise the queue
// would drop it meanwhile, or soon make it a dead letter.
func (d *Deliverer) worn(m job.Delivery, wait time.Duration) bool {
	return m.Received >= hopAfter || !m.SentAt.IsZero() && d.Now().Add(wait).Sub(m.SentAt) > d.Retention*3/4
}

func (d *Deliverer) run(ctx context.Context, m job.Delivery) Outcome {
	if m.Malformed != "" {
		return Outcome{Verdict: Never, Err: fmt.Errorf("message is not ours: %s", m.Malformed)}
	}
	j, err := d.Documents.Load(ctx, m.JobID)
	switch {
	case job.KindOf(err) == job.NotFound:
		return Outcome{Verdict: Done, Err: errors.New("the job is gone")}
	case err != nil:
		return Outcome{Verdict: Later, After: outage(m), Err: err}
	case j.Deleted || j.Webhook == "":
		return Outcome{Verdict: Done, Job: j}
	case !j.Status.Over() && m.Received <= tooEarly:
		return Outcome{Verdict: Later, After: 2*time.Second + rand.N(3*time.Second), Job: j}
	case !j.Status.Over() || !j.WebhookDue:
		return Outcome{Verdict: Done, Job: j} // what ends the job sends another message
	}
	if !d.shares.take(j.Owner) {
		pause(ctx, 500*time.Millisecond) // a long queue of one owner passes by slowly
		return Outcome{Verdict: Later, After: 20*time.Second + rand.N(40*time.Second), Job: j}
	}
	defer d.shares.release(j.Owner)
	log, err := d.log(ctx, j)
	if job.KindOf(err) == job.Corrupt {
		return Outcome{Verdict: Never, Job: j, Err: err} // the operator deletes it, and the client sends the event again
	}
	if err != nil {
		return Outcome{Verdict: Later, After: outage(m), Job: j, Err: err}
	}
	if log.State != job.EventPending {
		return Outcome{Verdict: Done, Job: j}
	}
	if wait := log.NotBefore.Sub(d.Now()); wait > 0 {
		return Outcome{Verdict: Later, After: wait, Job: j}
	}
	body, err := webhook.Body(j, d.Status(j))
	if err != nil {
		return Outcome{Verdict: Never, Job: j, Err: err}
	}
	at := d.Now().UTC().Truncate(time.Millisecond)
	r := webhook.Try(ctx, d.Post, d.Keys, j, body, d.Now)
	if r.Status == 0 && ctx.Err() != nil {
		return Outcome{Verdict: Later, Job: j, Err: context.Cause(ctx)}
	}
	d.tell(ctx, j, r)
	return d.record(ctx, m, j, log, job.EventTry{
		Event: webhook.ID(j), At: at, Status: r.Status, Reason: r.Reason, Seconds: float64(r.Took.Milliseconds()) / 1000,
	}, r)
}

// log reads the event log of a job that is over.
func (d *Deliverer) log(ctx context.Context, j *job.Job) (*job.EventLog, error) {
	log, err := d.Events.LoadEvents(ctx, j.ObjectID())
	return webhook.Log(j, log, err)
}

// record stores a try, and decides whether another one follows. It keeps the tries that another
// process has recorded meanwhile.
func (d *Deliverer) record(ctx context.Context, m job.Delivery, j *job.Job, log *job.EventLog, try job.EventTry, r webhook.Result) Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	for {
		out := Outcome{Verdict: Done, Job: j}
		log.Add(try)
		if log.State == job.EventPending {
			log.Tries++
			switch wait, more := webhook.Pause(log.Tries, r.RetryAfter); {
			case r.Delivered():
				log.State, log.NotBefore = job.EventDelivered, time.Time{}
			case r.Refused():
				log.State, log.NotBefore = job.EventRefused, time.Time{}
			case more:
				log.NotBefore = d.Now().Add(wait).UTC().Truncate(time.Millisecond)
				out.Verdict, out.After = Later, wait
			default:
				log.State, log.NotBefore = job.EventFailed, time.Time{}
			}
		}
		log.Revision = uuid.NewString()
		_, err := d.Events.SaveEvents(ctx, j.ObjectID(), log)
		if err == nil {
			return out
		}
		if job.KindOf(err) == job.Conflict {
			if log, err = d.log(ctx, j); err == nil {
				continue
			}
		}
		return Outcome{Verdict: Later, After: outage(m), Job: j, Err: err}
	}
}

// tell logs a try with the receiver's host only: the rest of the URL may contain a secret.
func (d *Deliverer) tell(ctx context.Context, j *job.Job, r webhook.Result) {
	host := ""
	if u, err := url.Parse(j.Webhook); err == nil {
		host = u.Host
	}
	d.Logger.InfoContext(ctx, "webhook tried", "job_id", j.ID, "host", host, "status", r.Status, "reason", r.Reason, "took", r.Took.Round(time.Millisecond).String())
}
