package s3store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// minPart is the least size of a multipart upload's parts but the last, in bytes; S3's
// rule, and the reason why large buffers have at least this size.
const minPart = 5 << 20

// MemoryOptions size a Memory. Zero values stand for the defaults.
type MemoryOptions struct {
	// Small is the number of small buffers: of uploads that may be under way at once.
	// 128 by default.
	Small int
	// SmallBytes is the size of each; 256 KiB by default.
	SmallBytes int
	// Large is the number of large buffers: of uploads at once that have outgrown a
	// small one. 12 by default.
	Large int
	// PartBytes is the size of each and of the parts of multipart uploads; 5 MiB by
	// default and at least. An object has at most 10,000 parts: 48.8 GiB by default.
	PartBytes int
	// Wait is how long an upload waits for a buffer; 5 s by default.
	Wait time.Duration
}

// Memory is all that uploads may use, in two tiers of buffers: Small × SmallBytes +
// Large × PartBytes in all, 92 MiB by default. Buffers are made when they are first
// needed, and kept.
//
// An upload begins in a small buffer and moves to a large one when that is full. It
// waits for a large one while it holds a small one, and for nothing while it holds a
// large one; so nobody waits in a circle. Whoever waits too long gets an Exhausted
// error.
type Memory struct {
	small, large *tier
	wait         time.Duration
}

// NewMemory returns a Memory that nothing has been taken from yet.
func NewMemory(o MemoryOptions) *Memory {
	if o.Small <= 0 {
		o.Small = 128
	}
	if o.SmallBytes <= 0 {
		o.SmallBytes = 256 << 10
	}
	if o.Large <= 0 {
		o.Large = 12
	}
	o.PartBytes = max(o.PartBytes, minPart)
	o.SmallBytes = min(o.SmallBytes, o.PartBytes-1)
	orDefault(&o.Wait, 5*time.Second)
	return &Memory{small: newTier(o.Small, o.SmallBytes), large: newTier(o.Large, o.PartBytes), wait: o.Wait}
}

// PartBytes is the size of a part: what is larger becomes a multipart upload.
func (m *Memory) PartBytes() int { return m.large.size }

// give returns a buffer of either tier.
func (m *Memory) give(b []byte) {
	if len(b) == m.large.size {
		m.large.give(b)
		return
	}
	m.small.give(b)
}

// Crowded reports whether an upload of so many bytes had better come later: it would need a
// large buffer, and the first of those who wait for one has for half of the time for which
// an upload waits at most.
func (m *Memory) Crowded(size int64) bool {
	return size > int64(m.small.size) && m.large.slow(time.Now(), m.wait/2)
}

// Yield reports whether an upload that holds a large buffer, and hardly fills it, shall be
// broken off: since another has waited for one for a sixth of the time for which it
// waits at most, and nobody has been broken off for it in as long.
func (m *Memory) Yield() bool { return m.large.yield(time.Now(), m.wait/6) }

// tier is a fixed number of buffers of one size. Those given back last are taken
// first, so that no more are ever made than were once in use together.
type tier struct {
	size  int
	slots chan struct{} // holds one element for each buffer in use

	mu      sync.Mutex // guards what follows
	free    [][]byte
	waiting []*waiter // in the order of their coming
}

// waiter waits for a buffer.
type waiter struct {
	came  time.Time
	asked time.Time // when somebody was broken off for it; before that, when it came
}

func newTier(n, size int) *tier {
	return &tier{size: size, slots: make(chan struct{}, n)}
}

// take returns a buffer, and waits for one if it has to.
func (t *tier) take(ctx context.Context, wait time.Duration) ([]byte, error) {
	if b, ok := t.tryTake(); ok {
		return b, nil
	}
	now := time.Now()
	w := &waiter{now, now}
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.waiting = slices.DeleteFunc(t.waiting, func(other *waiter) bool { return other == w })
		t.mu.Unlock()
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case t.slots <- struct{}{}:
		return t.pop(), nil
	case <-ctx.Done():
		return nil, job.Wrap(job.Canceled, fmt.Errorf("wait for upload memory: %w", context.Cause(ctx)), sayCanceled)
	case <-timer.C:
		// Spread, so that those who were refused together do not come back together.
		e := job.Errorf(job.Exhausted, "too many uploads at the moment; try again shortly")
		e.RetryAfter = 2*time.Second + rand.N(8*time.Second)
		e.Err = fmt.Errorf("no buffer of %d bytes came free in %v; all %d are in use", t.size, wait, cap(t.slots))
		return nil, e
	}
}

// slow reports whether somebody has waited for as long as that.
func (t *tier) slow(now time.Time, long time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting) > 0 && now.Sub(t.waiting[0].came) >= long
}

func (t *tier) yield(now time.Time, patience time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.waiting {
		if now.Sub(w.asked) >= patience {
			w.asked = now
			return true
		}
	}
	return false
}

// tryTake returns a buffer if one is to be had without waiting.
func (t *tier) tryTake() ([]byte, bool) {
	select {
	case t.slots <- struct{}{}:
		return t.pop(), true
	default:
		return nil, false
	}
}

// pop returns a buffer to somebody who holds a slot.
func (t *tier) pop() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.free)
	if n == 0 {
		return make([]byte, t.size)
	}
	b := t.free[n-1]
	t.free = t.free[:n-1]
	return b
}

// give takes a buffer back.
func (t *tier) give(b []byte) {
	t.mu.Lock()
	t.free = append(t.free, b)
	t.mu.Unlock()
	<-t.slots
}
