package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is the channel of all notifications; the payload is the topic.
const channel = "claimcheck"

const (
	// reconnectPause is the pause before a lost connection is made anew.
	reconnectPause = time.Second
	// listenCheck is how long a silent connection goes unchecked.
	listenCheck = 30 * time.Second
)

// listener shares one connection that listens on the channel. It connects at the first
// subscription, and again whenever the connection is lost.
type listener struct {
	config *pgx.ConnConfig
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	run    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	started bool
	live    bool // notifications arrive
	closed  bool
	topics  map[string]map[chan struct{}]bool
}

func newListener(config *pgx.ConnConfig) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	return &listener{config: config, ctx: ctx, cancel: cancel, topics: map[string]map[chan struct{}]bool{}}
}

// subscribe returns a channel that gets a value after each notification of the topic, and
// whenever notifications may have been missed. The caller calls stop at the end.
func (l *listener) subscribe(topic string) (woken <-chan struct{}, stop func()) {
	wake := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topics[topic] == nil {
		l.topics[topic] = map[chan struct{}]bool{}
	}
	l.topics[topic][wake] = true
	if !l.started && !l.closed {
		l.started = true
		l.run.Go(l.loop)
	}
	return wake, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.topics[topic], wake)
		if len(l.topics[topic]) == 0 {
			delete(l.topics, topic)
		}
	}
}

// listening reports whether notifications arrive at the moment.
func (l *listener) listening() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live
}

// close ends the connection, and waits for that.
func (l *listener) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.run.Wait()
}

func (l *listener) loop() {
	for l.ctx.Err() == nil {
		l.listen()
		l.setLive(false)
		timer := time.NewTimer(reconnectPause)
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
		}
	}
}

// listen passes notifications on until the connection is lost. Subscribers learn the reason
// from their own next statement.
func (l *listener) listen() {
	conn, err := pgx.ConnectConfig(l.ctx, l.config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is lost, or of no more use
	}()
	if _, err := conn.Exec(l.ctx, "LISTEN "+channel); err != nil {
		return
	}
	l.setLive(true)
	for {
		ctx, cancel := context.WithTimeout(l.ctx, listenCheck)
		n, err := conn.WaitForNotification(ctx)
		cancel()
		switch {
		case err == nil:
			l.wake(n.Payload)
		case l.ctx.Err() != nil || conn.IsClosed():
			return
		default: // silence: is the server there?
			ctx, cancel := context.WithTimeout(l.ctx, defaultConnectTimeout)
			err := conn.Ping(ctx)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// setLive notes whether notifications arrive, and wakes everyone at a change: until a
// connection listens, a notification may have been missed.
func (l *listener) setLive(live bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == live {
		return
	}
	l.live = live
	for _, subscribers := range l.topics {
		wakeAll(subscribers)
	}
}

func (l *listener) wake(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wakeAll(l.topics[topic])
}

func wakeAll(subscribers map[chan struct{}]bool) {
	for wake := range subscribers {
		select {
		case wake <- struct{}{}:
		default: // it has one to see already
		}
	}
}
