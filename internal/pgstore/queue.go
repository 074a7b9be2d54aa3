package pgstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

const (
	maxWait    = 20 * time.Second
	maxReceive = 10
	// pollPause is the polling interval while no notification can arrive.
	pollPause = time.Second
	// overslept is the maximum lead of a receiver's clock over the database's.
	overslept = 5 * time.Millisecond
)

// QueueOptions of a Queue. The zero value is good for production.
type QueueOptions struct {
	// Name identifies the queue in its database; "jobs" by default.
	Name string
	// Wait is how long Receive waits for a message; 20 s by default, which is the maximum.
	Wait time.Duration
	// Documents says that the jobs' documents are in this database. Deliveries then include
	// them.
	Documents bool
	// MaxReceives is the number of deliveries of a message before it becomes a dead letter;
	// 100 by default.
	MaxReceives int
}

// Queue is job.Queue on rows of a table. It is safe for concurrent use.
type Queue struct {
	db   *DB
	opts QueueOptions
	dead string // the name of the dead-letter queue; empty for none
}

var _ job.Queue = (*Queue)(nil)

// NewQueue returns a queue in a database.
func NewQueue(db *DB, opts QueueOptions) *Queue {
	if opts.Name == "" {
		opts.Name = "jobs"
	}
	if opts.Wait <= 0 || opts.Wait > maxWait {
		opts.Wait = maxWait
	}
	if opts.MaxReceives <= 0 {
		opts.MaxReceives = 100
	}
	return &Queue{db, opts, opts.Name + "-dead"}
}

// DeadLetters returns the queue of the messages that were delivered MaxReceives times and not
// deleted. It has no dead letters of its own.
func (q *Queue) DeadLetters(context.Context) (*Queue, error) {
	dead := *q
	dead.opts.Name, dead.dead = q.dead, ""
	return &dead, nil
}

// lazily makes the database answer before the change is durable. A crash of the database within
// a fraction of a second may undo the change: then a message is delivered once more than
// necessary, as with any queue. A sent message is durable before Send returns.
const lazily = `(SELECT set_config('synchronous_commit', 'off', true)) lazily`

// topic has a prefix because releases that run side by side wake each other's receivers.
func (q *Queue) topic() topic { return topic{queueChannel, "queue/" + q.opts.Name} }

// Send implements job.Queue: one INSERT. The notification follows it.
func (q *Queue) Send(ctx context.Context, m job.Message) error {
	return q.send(ctx, job.EncodeClaim(m), m.Trace)
}

func (q *Queue) send(ctx context.Context, body string, trace map[string]string) error {
	_, err := q.db.exec(ctx, "send", `
		INSERT INTO claimcheck.messages (queue, body, traceparent, tracestate) VALUES ($1, $2, $3, $4)`,
		q.opts.Name, body, trace["traceparent"], trace["tracestate"])
	if err == nil {
		q.db.notifier.notify(q.topic())
	}
	return err
}

// Receive implements job.Queue. It queries once, and again when a notification arrives or a
// hidden message is due.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]job.Delivery, error) {
	subscription := q.db.listener.subscribe(q.topic())
	defer subscription.Close()
	deadline := time.Now().Add(q.opts.Wait)
	for {
		got, due, err := q.take(ctx, min(max(limit, 1), maxReceive), visibility)
		if err != nil || len(got) > 0 {
			return got, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, nil
		}
		pause := min(left, due+overslept)
		if !subscription.Live() {
			pause = min(pause, pollPause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-subscription.Changed():
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, q.db.translate(ctx, "receive", ctx.Err())
		}
		timer.Stop()
	}
}

// take receives visible messages. Without any it returns how long the next message stays
// hidden, or maxWait.
func (q *Queue) take(ctx context.Context, limit int, visibility time.Duration) (got []job.Delivery, due time.Duration, err error) {
	err = q.db.do(ctx, "receive", func(ctx context.Context) error {
		got = nil
		for {
			buried, err := q.takeOnce(ctx, limit, visibility, &got)
			if err != nil || len(got) > 0 || buried == 0 {
				return err
			}
		}
	})
	if err != nil || len(got) > 0 {
		return got, 0, err
	}
	var seconds float64
	err = q.db.row(ctx, "receive", []any{&seconds}, `
		SELECT coalesce(extract(epoch FROM min(visible_at) - clock_timestamp()), $2)::float8 FROM claimcheck.messages WHERE queue = $1`,
		q.opts.Name, maxWait.Seconds())
	return nil, time.Duration(max(seconds, 0) * float64(time.Second)), err
}

// takeOnce receives up to limit messages into got. It moves messages with too many deliveries
// to the dead letters, and counts them as buried.
func (q *Queue) takeOnce(ctx context.Context, limit int, visibility time.Duration, got *[]job.Delivery) (buried int, err error) {
	most := q.opts.MaxReceives
	if q.dead == "" {
		most = 1<<31 - 1
	}
	rows, err := q.db.pool.Query(ctx, `
		WITH next AS MATERIALIZED (
			SELECT id FROM claimcheck.messages WHERE queue = $1 AND visible_at <= now()
			ORDER BY visible_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE claimcheck.messages m SET
				received = received + 1,
				queue = CASE WHEN received >= $4 THEN $5 ELSE queue END,
				visible_at = CASE WHEN received >= $4 THEN now() ELSE now() + $3 * interval '1 microsecond' END
			FROM next, `+lazily+` WHERE m.id = next.id
			RETURNING m.id, m.queue, m.received, m.sent_at, m.body, m.traceparent, m.tracestate
		)
		SELECT taken.*, coalesce(jobs.revision, ''), jobs.document FROM taken
		LEFT JOIN claimcheck.jobs ON $6 AND jobs.id = CASE WHEN taken.body ~ `+"'"+claimPattern+"'"+` THEN substr(taken.body, 12, 36)::uuid END
		ORDER BY taken.id`,
		q.opts.Name, limit, span(visibility), most, q.dead, q.opts.Documents)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var name, body, parent, state, revision string
		var document []byte
		var d job.Delivery
		if err := rows.Scan(&number, &name, &d.Received, &d.SentAt, &body, &parent, &state, &revision, &document); err != nil {
			return 0, err
		}
		if name != q.opts.Name {
			buried++
			continue
		}
		d.Receipt = fmt.Sprintf("%d.%d", number, d.Received)
		if d.JobID, d.Webhook, err = job.DecodeClaim(body); err != nil {
			d.Malformed = err.Error()
		} else {
			d.Trace = traceOf(parent, state)
			d.Job = delivered(d.JobID, revision, document)
		}
		*got = append(*got, d)
	}
	return buried, rows.Err()
}

// claimPattern matches the output of job.EncodeClaim.
const claimPattern = `^\{"job_id":"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"\}$`

// delivered returns the document of a message, or nil if only Load can judge it.
func delivered(id job.ID, revision string, document []byte) *job.Job {
	if document == nil {
		return nil
	}
	j, err := job.DecodeDocument(id, document)
	if err != nil {
		return nil
	}
	j.Version = revision
	return j
}

func traceOf(parent, state string) map[string]string {
	if parent == "" {
		return nil
	}
	trace := map[string]string{"traceparent": parent}
	if state != "" {
		trace["tracestate"] = state
	}
	return trace
}

// Extend implements job.Queue. A receipt is valid until its message is deleted or delivered
// again.
func (q *Queue) Extend(ctx context.Context, receipt string, d time.Duration) error {
	number, received, ok := parseReceipt(receipt)
	if err := ctx.Err(); !ok && err == nil {
		return job.Wrap(job.NotFound, fmt.Errorf("receipt %.40q", receipt), sayReceipt)
	}
	var sooner bool // than the message was to be visible before
	err := q.db.row(ctx, "extend", []any{&sooner}, `
		WITH old AS (SELECT id, visible_at FROM claimcheck.messages WHERE id = $1 AND received = $2 AND queue = $3 FOR UPDATE)
		UPDATE claimcheck.messages m SET visible_at = now() + $4 * interval '1 microsecond'
		FROM old, `+lazily+` WHERE m.id = old.id
		RETURNING m.visible_at < old.visible_at`, number, received, q.opts.Name, span(d))
	if job.KindOf(err) == job.NotFound {
		return job.Wrap(job.NotFound, err, sayReceipt)
	}
	if err == nil && sooner {
		q.db.notifier.notify(q.topic())
	}
	return err
}

// LongestInvisible implements job.Queue: there is no limit.
func (q *Queue) LongestInvisible() time.Duration { return 0 }

// Delete implements job.Queue. An invalid receipt deletes nothing.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	number, received, ok := parseReceipt(receipt)
	if err := ctx.Err(); !ok && err == nil {
		return nil
	}
	_, err := q.db.exec(ctx, "delete message", `
		DELETE FROM claimcheck.messages USING `+lazily+` WHERE id = $1 AND received = $2 AND queue = $3`, number, received, q.opts.Name)
	return err
}

// Ready implements job.Queue.
func (q *Queue) Ready(ctx context.Context) error { return q.db.ready(ctx) }

// parseReceipt returns the message of a receipt and the number of its delivery.
func parseReceipt(receipt string) (number int64, received int32, ok bool) {
	a, b, _ := strings.Cut(receipt, ".")
	number, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	n, err := strconv.ParseInt(b, 10, 32)
	return number, int32(n), err == nil
}

// span returns d in microseconds; a negative d is zero.
func span(d time.Duration) int64 { return max(d, 0).Microseconds() }
