package s3store

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitersAreSeen has two wait for the one large buffer, a second apart. For each, one
// who holds such a buffer is to yield after a while, and once more after as long again;
// when the first has waited for long, whoever comes new had better come later.
func TestWaitersAreSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{Large: 1, Wait: 30 * time.Second})
		held, _ := m.large.tryTake()
		begin, got := time.Now(), make(chan []byte, 2)
		for range 2 {
			go func() {
				b, err := m.large.take(t.Context(), m.wait)
				if err != nil {
					t.Error(err)
				}
				got <- b
			}()
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for _, look := range []struct {
			at             time.Duration
			yield, crowded bool
		}{
			{4 * time.Second, false, false}, {5 * time.Second, true, false}, {5 * time.Second, false, false}, {6 * time.Second, true, false}, {6 * time.Second, false, false},
			{10 * time.Second, true, false}, {10 * time.Second, false, false}, {11 * time.Second, true, false}, {15 * time.Second, true, true},
		} {
			time.Sleep(look.at - time.Since(begin))
			if y, c := m.Yield(), m.Crowded(1<<20); y != look.yield || c != look.crowded {
				t.Errorf("after %s: %v, %v", look.at, y, c)
			}
		}
		if m.Crowded(1 << 10) {
			t.Error("a small upload would wait for a large buffer")
		}
		m.give(held)
		m.give(<-got)
		m.give(<-got)
		if m.Crowded(1<<20) || m.Yield() {
			t.Error("nobody waits any more")
		}
	})
}
