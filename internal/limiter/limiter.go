// Package limiter bounds the memory that uploads hold at once: a semaphore whose weights
// are bytes, acquired by the announced size before a body is read.
//
// The budget has two shares, for small uploads and for large ones, so that neither kind
// starves the other. An upload waits for a bounded time. Within a share the owner who
// holds the least comes first, then the upload that came first.
package limiter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"claimcheck.example/internal/job"
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

// maxWaiting bounds the uploads that wait in each share; those beyond are refused at once.
const maxWaiting = 4096

// Limiter is a budget. It is safe for concurrent use.
type Limiter struct{ small, large *share }

// New returns a budget of which nothing is taken.
func New(o Options) *Limiter {
	return &Limiter{newShare(o.Small), newShare(o.Large)}
}

// Acquire waits until there is room for an upload of size bytes, zero when that is unknown,
// and takes the room until the lease is released. Exhausted, with RetryAfter, when there is
// none in time; Canceled when ctx ends first.
func (l *Limiter) Acquire(ctx context.Context, owner string, size int64) (*Lease, error) {
	if size > 0 && size <= l.small.Bytes {
		return l.small.acquire(ctx, owner)
	}
	return l.large.acquire(ctx, owner)
}

// TryAcquire takes room for one more large buffer, unless an upload waits for it.
func (l *Limiter) TryAcquire() (release func(), ok bool) {
	s := l.large
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 || len(s.waiting) > 0 {
		return nil, false
	}
	lease := s.take("")
	return lease.Release, true
}

// Lease is the room that one upload has.
type Lease struct {
	share   *share
	owner   string
	release sync.Once
}

// Release gives the room back; only the first call does.
func (l *Lease) Release() { l.release.Do(func() { l.share.put(l.owner) }) }

// Wanted reports whether this upload should give way, if it hardly moves: another has
// waited for a sixth of the time for which it waits, and none has given way for that one in
// as long. Each upload that waits is given way to by one.
func (l *Lease) Wanted() bool { return l.share.wanted(time.Now()) }

type share struct {
	Share

	mu      sync.Mutex // guards what follows
	free    int        // of Uploads
	held    map[string]int
	waiting []*waiter // in the order of their coming
}

type waiter struct {
	owner   string
	asked   time.Time   // when another upload gave way for it; before that, when it came
	granted chan *Lease // holds one element at most
}

func newShare(s Share) *share { return &share{Share: s, free: s.Uploads, held: map[string]int{}} }

func (s *share) acquire(ctx context.Context, owner string) (*Lease, error) {
	s.mu.Lock()
	if s.free > 0 {
		defer s.mu.Unlock()
		return s.take(owner), nil
	}
	if len(s.waiting) >= maxWaiting {
		s.mu.Unlock()
		return nil, s.exhausted()
	}
	w := &waiter{owner, time.Now(), make(chan *Lease, 1)}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()

	timer := time.NewTimer(s.Wait)
	defer timer.Stop()
	select {
	case lease := <-w.granted:
		return lease, nil
	case <-ctx.Done():
		s.leave(w)
		return nil, job.Wrap(job.Canceled, fmt.Errorf("wait for upload memory: %w", context.Cause(ctx)), "the request was cancelled while it waited for its turn")
	case <-timer.C:
		s.leave(w)
		return nil, s.exhausted()
	}
}

func (s *share) exhausted() error {
	// Spread, so that uploads that were refused together do not come back together.
	return &job.Error{
		Kind: job.Exhausted, Message: "too many uploads at once; try again shortly", RetryAfter: time.Second + rand.N(3*time.Second),
		Err: fmt.Errorf("no room for an upload of %d bytes in %s; all %d are taken", s.Bytes, s.Wait, s.Uploads),
	}
}

// leave takes w out of the queue, and gives back what it was granted in this moment.
func (s *share) leave(w *waiter) {
	s.mu.Lock()
	s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
	s.mu.Unlock()
	select {
	case lease := <-w.granted:
		lease.Release()
	default:
	}
}

// take is called with mu held, while something is free.
func (s *share) take(owner string) *Lease {
	s.free--
	s.held[owner]++
	return &Lease{share: s, owner: owner}
}

// put gives one place back, and passes it on to the waiter whose owner holds the least.
func (s *share) put(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.held[owner]--; s.held[owner] == 0 {
		delete(s.held, owner)
	}
	if len(s.waiting) == 0 {
		return
	}
	next := 0
	for i, w := range s.waiting {
		if s.held[w.owner] < s.held[s.waiting[next].owner] {
			next = i
		}
	}
	w := s.waiting[next]
	s.waiting = slices.Delete(s.waiting, next, next+1)
	w.granted <- s.take(w.owner)
}

func (s *share) wanted(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		if now.Sub(w.asked) >= s.Wait/6 {
			w.asked = now
			return true
		}
	}
	return false
}
