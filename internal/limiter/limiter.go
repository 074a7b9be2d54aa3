// Package limiter shares what is scarce among owners: places of a [Pool], and the memory
// that uploads hold at once, which is a [Limiter] of two pools.
package limiter

import (
	"context"
	"time"
)

// Options size a Limiter. All fields are needed.
type Options struct {
	Small, Large Share
}

// Share is one part of the budget.
type Share struct {
	// Bytes is the weight of one upload: the most that it holds in memory.
	Bytes int64
	// Uploads is how many may be under way at once.
	Uploads int
	// Wait is how long an upload waits for its turn.
	Wait time.Duration
}

// Limiter bounds the memory that uploads hold at once. Small uploads and large ones have a
// pool each, so that neither kind starves the other. It is safe for concurrent use.
type Limiter struct {
	smallBytes   int64
	small, large *Pool
}

// New returns a budget of which nothing is taken.
func New(o Options) *Limiter {
	pool := func(s Share) *Pool { return NewPool(PoolOptions{Places: s.Uploads, Wait: s.Wait, Of: "uploads"}) }
	return &Limiter{o.Small.Bytes, pool(o.Small), pool(o.Large)}
}

// Acquire waits until there is room for an upload of size bytes, zero when that is unknown,
// and takes the room until the lease is released. Its errors are those of [Pool.Acquire].
func (l *Limiter) Acquire(ctx context.Context, owner string, size int64) (*Lease, error) {
	if size > 0 && size <= l.smallBytes {
		return l.small.Acquire(ctx, owner)
	}
	return l.large.Acquire(ctx, owner)
}

// SmallBytes is the size up to which an upload is a small one.
func (l *Limiter) SmallBytes() int64 { return l.smallBytes }

// TryAcquire takes room for one more large buffer, unless an upload waits for it. Buffers
// that are taken so count as one more owner's.
func (l *Limiter) TryAcquire() (release func(), ok bool) {
	lease, ok := l.large.tryAcquireIdle("")
	if !ok {
		return nil, false
	}
	return lease.Release, true
}
