package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Channels of notifications. The payload is the topic.
const (
	queueChannel = "claimcheck"      // messages; the topic is "queue/" and the queue's name
	jobChannel   = "claimcheck_jobs" // ended jobs; the topic is the job's identifier
)

// notifyTimeout bounds one statement that notifies.
const notifyTimeout = 2 * time.Second

// notification names what has changed.
type notification struct{ channel, topic string }

// notifier sends notifications, those together that come while others are on their way. It
// is best effort: a receiver that misses one looks by itself in time. The statement is a
// transaction of its own, since one that notifies and writes holds a lock of the whole
// database while it is made durable.
type notifier struct {
	pool *pgxpool.Pool
	run  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pending map[notification]struct{}
	sending bool
}

func newNotifier(pool *pgxpool.Pool) *notifier {
	return &notifier{pool: pool, pending: map[notification]struct{}{}}
}

// notify returns at once.
func (n *notifier) notify(channel, topic string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[notification{channel, topic}] = struct{}{}
	if !n.sending {
		n.sending = true
		n.run.Go(n.send)
	}
}

func (n *notifier) send() {
	for {
		channels, topics := n.take()
		if len(topics) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		_, _ = n.pool.Exec(ctx, `SELECT pg_notify(channel, topic) FROM unnest($1::text[], $2::text[]) AS n (channel, topic)`, channels, topics)
		cancel()
	}
}

// take returns what is pending. After nothing, send ends.
func (n *notifier) take() (channels, topics []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.pending {
		channels, topics = append(channels, p.channel), append(topics, p.topic)
	}
	clear(n.pending)
	n.sending = len(topics) > 0
	return channels, topics
}

// close waits until nothing is pending.
func (n *notifier) close() { n.run.Wait() }
