package sqsserver

import "sync"

// bells wake the long polls of a queue. Every waiter wakes and looks again; those who
// find nothing wait on.
type bells struct {
	mu    sync.Mutex // guards rings
	rings map[string]chan struct{}
}

// listen returns a channel that is closed by the next ring of the queue. Listen before
// looking, so that nothing that comes between is missed.
func (b *bells) listen(queue string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rings == nil {
		b.rings = make(map[string]chan struct{})
	}
	ring := b.rings[queue]
	if ring == nil {
		ring = make(chan struct{})
		b.rings[queue] = ring
	}
	return ring
}

// ring says that something of the queue may have become visible.
func (b *bells) ring(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ring := b.rings[queue]; ring != nil {
		close(ring)
		delete(b.rings, queue)
	}
}
