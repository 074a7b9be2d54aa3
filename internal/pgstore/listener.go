package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Channels of notifications. A process listens to the channels of its subscriptions.
const (
	queueChannel = "claimcheck"      // of messages; the name of a topic is "queue/" and that of the queue
	jobChannel   = "claimcheck_jobs" // of documents; the name of a topic is the job's identifier
)

// topic is the subject of notifications.
type topic struct{ channel, name string }

const (
	// reconnectPause is the pause before the listener replaces a lost connection.
	reconnectPause = time.Second
	// listenCheck is the interval of checks of a silent connection.
	listenCheck = 30 * time.Second
)

// listener shares one connection that listens. It connects at the first subscription, and
// again whenever it loses the connection.
type listener struct {
	config *pgx.ConnConfig
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	run    sync.WaitGroup

	mu        sync.Mutex // guards what follows
	started   bool
	closed    bool
	channels  map[string]bool    // that have a subscription or had one; true while their notifications arrive
	interrupt context.CancelFunc // ends the wait for a notification
	topics    map[topic]map[*subscription]bool
}

// subscription follows one topic.
type subscription struct {
	listener *listener
	topic    topic
	woken    chan struct{}
}

func newListener(config *pgx.ConnConfig) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	return &listener{
		config: config, ctx: ctx, cancel: cancel, interrupt: func() {},
		channels: map[string]bool{}, topics: map[topic]map[*subscription]bool{},
	}
}

// subscribe follows a topic until Close.
func (l *listener) subscribe(t topic) *subscription {
	s := &subscription{l, t, make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topics[t] == nil {
		l.topics[t] = map[*subscription]bool{}
	}
	l.topics[t][s] = true
	if _, ok := l.channels[t.channel]; !ok {
		l.channels[t.channel] = false
		l.interrupt()
	}
	if !l.started && !l.closed {
		l.started = true
		l.run.Go(l.loop)
	}
	return s
}

// Changed implements job.Follower.
func (s *subscription) Changed() <-chan struct{} { return s.woken }

// Live implements job.Follower.
func (s *subscription) Live() bool { return s.listener.listening(s.topic.channel) }

// Close implements job.Follower.
func (s *subscription) Close() {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	subscribers := s.listener.topics[s.topic]
	delete(subscribers, s)
	if len(subscribers) == 0 {
		delete(s.listener.topics, s.topic)
	}
}

// wake puts a value into the channel unless the channel has one.
func (s *subscription) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// listening reports whether notifications of a channel arrive at the moment.
func (l *listener) listening(channel string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channels[channel]
}

// close ends the connection, and waits for the end.
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
		l.lost()
		timer := time.NewTimer(reconnectPause)
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
		}
	}
}

// listen forwards notifications until the connection breaks. The next statement of a
// subscriber shows the reason.
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
	for {
		wait, cancel, added := l.next()
		for _, channel := range added {
			if err := l.ask(func(ctx context.Context) error { _, err := conn.Exec(ctx, "LISTEN "+channel); return err }); err != nil {
				cancel()
				return
			}
			l.live(channel)
		}
		n, err := conn.WaitForNotification(wait)
		silent := wait.Err() == context.DeadlineExceeded
		cancel()
		switch {
		case err == nil:
			l.wake(topic{n.Channel, n.Payload})
		case l.ctx.Err() != nil || conn.IsClosed():
			return
		case silent: // is the server there?
			if l.ask(conn.Ping) != nil {
				return
			}
		}
	}
}

// ask bounds a call to the server.
func (l *listener) ask(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(l.ctx, defaultConnectTimeout)
	defer cancel()
	return call(ctx)
}

// next returns the context of the next wait for a notification, which ends with a new channel,
// and the channels to listen to.
func (l *listener) next() (wait context.Context, cancel context.CancelFunc, added []string) {
	wait, cancel = context.WithTimeout(l.ctx, listenCheck)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupt = cancel
	for channel, live := range l.channels {
		if !live {
			added = append(added, channel)
		}
	}
	return wait, cancel, added
}

// live records that the notifications of a channel arrive, and wakes its subscribers, which
// may have missed one before.
func (l *listener) live(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.channels[channel] = true
	l.wakeAll(channel)
}

// lost records that no notification arrives any more, and wakes all subscribers, which begin to
// poll.
func (l *listener) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for channel, live := range l.channels {
		if live {
			l.channels[channel] = false
			l.wakeAll(channel)
		}
	}
}

// wakeAll wakes the subscribers of a channel; the caller has locked mu.
func (l *listener) wakeAll(channel string) {
	for t, subscribers := range l.topics {
		if t.channel == channel {
			for s := range subscribers {
				s.wake()
			}
		}
	}
}

func (l *listener) wake(t topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.topics[t] {
		s.wake()
	}
}
