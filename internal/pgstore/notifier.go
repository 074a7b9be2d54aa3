package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// notifyTimeout bounds one NOTIFY statement.
const notifyTimeout = 2 * time.Second

// notifier sends notifications, and combines those that arrive during a statement. It is best
// effort: a receiver that misses one polls in time. The statement is a transaction of its own,
// because a transaction that notifies and writes locks the whole database until it is durable.
type notifier struct {
	pool *pgxpool.Pool
	run  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pending map[topic]struct{}
	sending bool
}

func newNotifier(pool *pgxpool.Pool) *notifier {
	return &notifier{pool: pool, pending: map[topic]struct{}{}}
}

// notify returns at once.
func (n *notifier) notify(t topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[t] = struct{}{}
	if !n.sending {
		n.sending = true
		n.run.Go(n.send)
	}
}

func (n *notifier) send() {
	for {
		channels, names := n.take()
		if len(names) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		_, _ = n.pool.Exec(ctx, `SELECT pg_notify(channel, name) FROM unnest($1::text[], $2::text[]) AS n (channel, name)`, channels, names)
		cancel()
	}
}

// take returns the pending notifications. Without any, send ends.
func (n *notifier) take() (channels, names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for t := range n.pending {
		channels, names = append(channels, t.channel), append(names, t.name)
	}
	clear(n.pending)
	n.sending = len(names) > 0
	return channels, names
}

// close waits until no notification is pending.
func (n *notifier) close() { n.run.Wait() }
