package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// notifyTimeout bounds one statement that notifies.
const notifyTimeout = 2 * time.Second

// notifier sends notifications, those together that come while others are on their way. It
// is best effort: a receiver that misses one looks by itself in time. The statement is a
// transaction of its own, since one that notifies and writes holds a lock of the whole
// database while it is made durable.
type notifier struct {
	pool *pgxpool.Pool
	run  sync.WaitGroup

	mu      sync.Mutex          // guards what follows
	pending map[string]struct{} // topics
	sending bool
}

func newNotifier(pool *pgxpool.Pool) *notifier {
	return &notifier{pool: pool, pending: map[string]struct{}{}}
}

// notify returns at once.
func (n *notifier) notify(topic string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[topic] = struct{}{}
	if !n.sending {
		n.sending = true
		n.run.Go(n.send)
	}
}

func (n *notifier) send() {
	for {
		topics := n.take()
		if len(topics) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		_, _ = n.pool.Exec(ctx, `SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS n (topic)`, channel, topics)
		cancel()
	}
}

// take returns what is pending. After nothing, send ends.
func (n *notifier) take() (topics []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for topic := range n.pending {
		topics = append(topics, topic)
	}
	clear(n.pending)
	n.sending = len(topics) > 0
	return topics
}

// close waits until nothing is pending.
func (n *notifier) close() { n.run.Wait() }
