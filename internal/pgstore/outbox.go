package pgstore

import (
	"context"

	"claimcheck.example/internal/job"
)

// Outbox creates jobs together with their messages. It is safe for concurrent use.
type Outbox struct {
	store *Store
	queue *Queue
}

var _ job.Outbox = (*Outbox)(nil)

// NewOutbox returns the outbox of documents and a queue, or nil if the two are in different
// databases.
func NewOutbox(s *Store, q *Queue) *Outbox {
	if s.db != q.db {
		return nil
	}
	return &Outbox{s, q}
}

// CreateAndSend implements job.Outbox: one statement and one durable write.
func (o *Outbox) CreateAndSend(ctx context.Context, j *job.Job, m job.Message) (string, error) {
	raw, err := encode(j)
	if err != nil {
		return "", err
	}
	rows, err := o.store.db.exec(ctx, "create job", `
		WITH created AS (
			INSERT INTO claimcheck.jobs (id, revision, document, created_at, owner_key) VALUES ($1, $2, $3, $4, $9)
			ON CONFLICT (id) DO NOTHING RETURNING id
		)
		INSERT INTO claimcheck.messages (queue, body, traceparent, tracestate) SELECT $5, $6, $7, $8 FROM created`,
		string(j.ID), j.Revision, raw, j.CreatedAt, o.queue.opts.Name, job.EncodeClaim(m), m.Trace["traceparent"], m.Trace["tracestate"], ownerKey(j.Owner))
	if err != nil {
		return j.Revision, err
	}
	if rows == 0 {
		return o.store.decide(ctx, "jobs", string(j.ID), j.Revision)
	}
	o.store.db.notifier.notify(o.queue.topic())
	return j.Revision, nil
}
