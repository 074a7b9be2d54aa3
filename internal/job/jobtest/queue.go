package jobtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// Queue is the twin of job.Queue. It fails its test if a message is sent for a job without a
// document or input, or if a call exceeds the interface's limits.
//
// It delivers in an unspecified order, and an old receipt is invalid.
type Queue struct {
	Faults
	tb    testing.TB
	store *Store
	// Wait is how long Receive waits for a message; initially 20 s, as on the wire.
	Wait time.Duration
	// Longest is the result of LongestInvisible; initially 12 hours, which is SQS's bound.
	Longest time.Duration

	// mu guards what follows.
	mu       sync.Mutex
	messages []*message
	serial   int
	ahead    time.Duration
	changed  chan struct{} // closed and replaced whenever a message may have become visible
}

type message struct {
	delivery    job.Delivery
	deliveredAt time.Time
	visibleAt   time.Time
}

// NewQueue returns an empty queue that reports broken invariants to tb. It compares every
// message with the store, if there is one.
func NewQueue(tb testing.TB, store *Store) *Queue {
	return &Queue{tb: tb, store: store, Wait: 20 * time.Second, Longest: 12 * time.Hour, changed: make(chan struct{})}
}

// PutRaw puts a message with any body into the queue.
func (q *Queue) PutRaw(body string) {
	q.put(job.Delivery{Malformed: fmt.Sprintf("not a claim check: %.40q", body)})
}

// Advance moves the queue's clock forward: everything that expires in that time expires now.
func (q *Queue) Advance(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ahead += d
	q.wake()
}

// Len returns the number of messages in the queue, including invisible ones.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

// Send implements job.Queue.
func (q *Queue) Send(ctx context.Context, m job.Message) error {
	_, err := run(ctx, &q.Faults, OpSend, func() (struct{}, error) {
		q.checkSend(m)
		m.Trace = maps.Clone(m.Trace)
		q.put(job.Delivery{Message: m})
		return struct{}{}, nil
	})
	return err
}

// checkSend fails the test if the message's job is not complete yet.
func (q *Queue) checkSend(m job.Message) {
	if m.JobID == "" || m.Owner == "" {
		q.tb.Errorf("jobtest: a message without job or owner: %+v", m)
	}
	if q.store == nil || m.Webhook { // the webhook of a job may be sent when its image is gone
		return
	}
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	input := m.JobID
	if raw, ok := q.store.docs[m.JobID]; !ok {
		q.tb.Errorf("jobtest: a message was sent for job %s, which has no document", m.JobID)
	} else if j, err := decode(raw); err == nil {
		input = j.ObjectID()
	}
	if _, ok := q.store.objects[place{job.Input, input}]; !ok {
		q.tb.Errorf("jobtest: a message was sent for job %s, which has no input", m.JobID)
	}
}

func (q *Queue) put(d job.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d.SentAt = q.now()
	q.messages = append(q.messages, &message{delivery: d})
	q.wake()
}

// Receive implements job.Queue.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]job.Delivery, error) {
	if limit < 1 || limit > 10 {
		q.tb.Errorf("jobtest: Receive with a limit of %d; 1 to 10 are possible", limit)
	}
	return run(ctx, &q.Faults, OpReceive, func() ([]job.Delivery, error) {
		over := time.NewTimer(q.Wait)
		defer over.Stop()
		for {
			got, changed, next := q.take(limit, visibility)
			if len(got) > 0 {
				return got, nil
			}
			lapse := time.NewTimer(next)
			select {
			case <-ctx.Done():
				lapse.Stop()
				return nil, canceled(ctx.Err())
			case <-over.C:
				lapse.Stop()
				return nil, nil
			case <-changed:
			case <-lapse.C:
			}
			lapse.Stop()
		}
	})
}

// take delivers up to limit visible messages. Without any it returns a signal of the next
// change, and the time until the next message becomes visible.
func (q *Queue) take(limit int, visibility time.Duration) (got []job.Delivery, changed <-chan struct{}, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	next = time.Hour
	for _, m := range q.messages {
		if m.visibleAt.After(now) {
			next = min(next, m.visibleAt.Sub(now))
			continue
		}
		if len(got) == limit {
			break
		}
		q.serial++
		m.deliveredAt, m.visibleAt = now, now.Add(visibility)
		m.delivery.Received++
		m.delivery.Receipt = fmt.Sprintf("receipt-%d", q.serial)
		d := m.delivery
		d.Trace = maps.Clone(d.Trace)
		got = append(got, d)
	}
	return got, q.changed, next
}

// Extend implements job.Queue.
func (q *Queue) Extend(ctx context.Context, receipt string, d time.Duration) error {
	_, err := run(ctx, &q.Faults, OpExtend, func() (struct{}, error) {
		q.mu.Lock()
		defer q.mu.Unlock()
		i := q.find(receipt)
		if i < 0 || !q.messages[i].visibleAt.After(q.now()) {
			return struct{}{}, job.Errorf(job.NotFound, "the receipt is no longer valid")
		}
		m := q.messages[i]
		if q.Longest > 0 && q.now().Add(d).Sub(m.deliveredAt) > q.Longest {
			q.tb.Errorf("jobtest: Extend by %s, %s after the delivery; this queue hides a message for %s at most", d, q.now().Sub(m.deliveredAt), q.Longest)
		}
		m.visibleAt = q.now().Add(d)
		q.wake()
		return struct{}{}, nil
	})
	return err
}

// LongestInvisible implements job.Queue.
func (q *Queue) LongestInvisible() time.Duration { return q.Longest }

// Delete implements job.Queue.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	_, err := run(ctx, &q.Faults, OpDelete, func() (struct{}, error) {
		q.mu.Lock()
		defer q.mu.Unlock()
		if i := q.find(receipt); i >= 0 {
			q.messages = slices.Delete(q.messages, i, i+1)
		}
		return struct{}{}, nil
	})
	return err
}

// Ready implements job.Queue.
func (q *Queue) Ready(ctx context.Context) error {
	_, err := run(ctx, &q.Faults, OpReady, func() (struct{}, error) { return struct{}{}, nil })
	return err
}

// The caller of the following methods has locked mu.

func (q *Queue) now() time.Time { return time.Now().Add(q.ahead) }

func (q *Queue) find(receipt string) int {
	return slices.IndexFunc(q.messages, func(m *message) bool { return m.delivery.Receipt == receipt })
}

func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}
