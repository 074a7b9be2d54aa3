package pgstore

import (
	"context"
	"slices"
	"testing"
)

// idleListener returns a listener that does not connect: the test is its loop.
func idleListener(t *testing.T) *listener {
	l := newListener(nil)
	l.started = true
	t.Cleanup(l.close)
	return l
}

// woken reports whether a subscription has been woken since the last call.
func woken(s *subscription) bool {
	select {
	case <-s.Changed():
		return true
	default:
		return false
	}
}

// TestNewChannelInterruptsTheWait subscribes to more topics while the listener waits for a
// notification.
func TestNewChannelInterruptsTheWait(t *testing.T) {
	t.Parallel()
	l := idleListener(t)
	l.subscribe(topic{queueChannel, "queue/a"})
	wait, cancel, added := l.next()
	defer cancel()
	if !slices.Equal(added, []string{queueChannel}) {
		t.Errorf("the listener is to listen to %q", added)
	}
	l.live(queueChannel)
	l.subscribe(topic{queueChannel, "queue/b"})
	if wait.Err() != nil {
		t.Errorf("a topic of the same channel ends the wait: %v", wait.Err())
	}
	l.subscribe(topic{jobChannel, "a"})
	if wait.Err() != context.Canceled {
		t.Errorf("a topic of a new channel leaves the wait: %v", wait.Err())
	}
	wait, cancel, added = l.next()
	defer cancel()
	if wait.Err() != nil || !slices.Equal(added, []string{jobChannel}) {
		t.Errorf("the next wait: %v, with the channels %q", wait.Err(), added)
	}
}

// TestSubscribersLearnOfTheConnection makes a channel live, and loses the connection.
func TestSubscribersLearnOfTheConnection(t *testing.T) {
	t.Parallel()
	l := idleListener(t)
	first, second := l.subscribe(topic{jobChannel, "a"}), l.subscribe(topic{jobChannel, "b"})
	other, closed := l.subscribe(topic{queueChannel, "a"}), l.subscribe(topic{jobChannel, "b"})
	closed.Close()
	all := []*subscription{first, second, other, closed}
	check := func(step string, want ...bool) {
		t.Helper()
		var got []bool
		for _, s := range all {
			got = append(got, woken(s))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: woken %v, want %v", step, got, want)
		}
	}
	check("before the connection", false, false, false, false)
	l.lost()
	check("a connection fails that no channel had", false, false, false, false)
	l.live(jobChannel)
	check("one channel is live", true, true, false, false)
	if !first.Live() || other.Live() {
		t.Errorf("Live is %v and %v", first.Live(), other.Live())
	}
	l.wake(topic{jobChannel, "b"})
	check("a notification", false, true, false, false)
	l.lost()
	check("the connection is lost", true, true, false, false)
	if first.Live() {
		t.Error("Live stays true")
	}
}
