package sqsserver

import "sync"

// notifier wakes the long polls of a queue. Every waiter wakes and checks again; those
// that find nothing wait again.
type notifier struct {
	mu       sync.Mutex // guards channels
	channels map[string]chan struct{}
}

// next returns a channel that the next notification of the queue closes. Call it before
// checking the queue, so that no change in between is missed.
func (n *notifier) next(queue string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.channels == nil {
		n.channels = make(map[string]chan struct{})
	}
	c := n.channels[queue]
	if c == nil {
		c = make(chan struct{})
		n.channels[queue] = c
	}
	return c
}

// notify says that a message of the queue may have become visible.
func (n *notifier) notify(queue string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.channels[queue]; c != nil {
		close(c)
		delete(n.channels, queue)
	}
}
