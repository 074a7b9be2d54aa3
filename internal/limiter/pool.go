package limiter

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// PoolOptions size a Pool.
type PoolOptions struct {
	// Places is how many there are.
	Places int
	// Wait is how long Acquire waits for one.
	Wait time.Duration
	// Of names what takes the places, in the plural, for errors.
	Of string
}

// Pool is a number of places that owners share fairly. A quarter of them is a reserve. Any
// owner may take the others. Of the reserve an owner gets a place only while it has fewer
// than are free, which is the rule of dynamic thresholds in shared buffers (Choudhury and
// Hahne, 1998). So one owner alone has three quarters, and an owner who comes later finds
// places free at once, unless there are many such owners. Without a reserve it would wait
// until a place of the first one becomes free, as long as an upload takes. It is safe for
// concurrent use.
type Pool struct {
	o PoolOptions

	mu      sync.Mutex     // guards what follows
	free    int            // of Places
	reserve int            // how many of them are the reserve
	held    map[string]int // by owner
	waiting []*waiter      // in the order of their coming
	queued  map[string]int // of waiting, by owner
	yielded time.Time      // when a holder last gave way to its own owner
}

type waiter struct {
	owner   string
	asked   time.Time   // when another gave way for it; before that, when it came
	granted chan *Lease // holds one element at most
}

// ownSpread is the time between two holders that give way to waiters of their own owner.
// Without it all holders of an owner that has many waiters would end at once, and as many
// requests begin, for which everyone else would wait.
const ownSpread = 50 * time.Millisecond

// maxWaiting bounds the waiters of a pool, which owners share fairly, too. Later ones are
// refused at once.
const maxWaiting = 4096

// NewPool returns a pool of which nothing is taken.
func NewPool(o PoolOptions) *Pool {
	reserve := o.Places / 4
	if o.Places > 1 {
		reserve = max(1, reserve)
	}
	return &Pool{o: o, free: o.Places, reserve: reserve, held: map[string]int{}, queued: map[string]int{}}
}

// Acquire waits for a place. Exhausted, with RetryAfter, when there is none in time; Canceled
// when ctx ends first.
//
// A place that becomes free goes to the waiter whose owner has the fewest places, then to
// the one whose owner waits for the fewest, then to the one that came first.
func (p *Pool) Acquire(ctx context.Context, owner string) (*Lease, error) {
	p.mu.Lock()
	if p.may(owner) {
		defer p.mu.Unlock()
		return p.take(owner), nil
	}
	if p.queued[owner] >= maxWaiting-len(p.waiting) {
		p.mu.Unlock()
		return nil, p.exhausted()
	}
	w := &waiter{owner, time.Now(), make(chan *Lease, 1)}
	p.waiting = append(p.waiting, w)
	p.queued[owner]++
	p.mu.Unlock()

	timer := time.NewTimer(p.o.Wait)
	defer timer.Stop()
	select {
	case lease := <-w.granted:
		return lease, nil
	case <-ctx.Done():
		p.leave(w)
		return nil, job.Wrap(job.Canceled, fmt.Errorf("wait for a place among %s: %w", p.o.Of, context.Cause(ctx)), "the request was canceled while it waited for its turn")
	case <-timer.C:
		p.leave(w)
		return nil, p.exhausted()
	}
}

// TryAcquire takes a place if the owner may have one now.
func (p *Pool) TryAcquire(owner string) (*Lease, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.may(owner) {
		return nil, false
	}
	return p.take(owner), true
}

// tryAcquireIdle is TryAcquire while nothing waits.
func (p *Pool) tryAcquireIdle(owner string) (*Lease, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 || !p.may(owner) {
		return nil, false
	}
	return p.take(owner), true
}

// Lease is one place.
type Lease struct {
	pool    *Pool
	owner   string
	release sync.Once
}

// Release gives the place back; only the first call does.
func (l *Lease) Release() { l.release.Do(func() { l.pool.put(l.owner) }) }

// Held is how many places the holder's owner has.
func (l *Lease) Held() int {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return l.pool.held[l.owner]
}

// Wanted reports whether the holder should give way, if it hardly moves: an owner who has
// no more places has waited for a sixth of the time for which it waits, and none has given
// way for that one in as long. Each waiter is given way to by one.
func (l *Lease) Wanted() bool { return l.pool.wanted(l.owner, time.Now()) }

func (p *Pool) exhausted() error {
	// Spread, so that requests that were refused together do not come back together.
	return &job.Error{
		Kind: job.Exhausted, Message: "too many " + p.o.Of + " at once; try again shortly", RetryAfter: time.Second + rand.N(3*time.Second),
		Err: fmt.Errorf("no place among %d %s in %s", p.o.Places, p.o.Of, p.o.Wait),
	}
}

// may, take, before and drop are called with mu held.
func (p *Pool) may(owner string) bool {
	return p.free > p.reserve || p.held[owner] < p.free
}

func (p *Pool) take(owner string) *Lease {
	p.free--
	p.held[owner]++
	return &Lease{pool: p, owner: owner}
}

// before reports whether the owner of waiter i has fewer places than that of waiter k or, of
// equally many, fewer waiters.
func (p *Pool) before(i, k int) bool {
	a, b := p.waiting[i].owner, p.waiting[k].owner
	return cmp.Or(cmp.Compare(p.held[a], p.held[b]), cmp.Compare(p.queued[a], p.queued[b])) < 0
}

// drop takes the waiter at index i out of the queue.
func (p *Pool) drop(i int) {
	w := p.waiting[i]
	p.waiting = slices.Delete(p.waiting, i, i+1)
	if p.queued[w.owner]--; p.queued[w.owner] == 0 {
		delete(p.queued, w.owner)
	}
}

// leave takes w out of the queue, and gives back what it was granted in this moment.
func (p *Pool) leave(w *waiter) {
	p.mu.Lock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.drop(i)
	}
	p.mu.Unlock()
	select {
	case lease := <-w.granted:
		lease.Release()
	default:
	}
}

// put gives one place back, and passes on what may be taken now.
func (p *Pool) put(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	if p.held[owner]--; p.held[owner] == 0 {
		delete(p.held, owner)
	}
	for len(p.waiting) > 0 {
		next := 0
		for i := range p.waiting {
			if p.before(i, next) {
				next = i
			}
		}
		w := p.waiting[next]
		if !p.may(w.owner) {
			return
		}
		p.drop(next)
		w.granted <- p.take(w.owner)
	}
}

func (p *Pool) wanted(owner string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting {
		if p.held[w.owner] <= p.held[owner] && now.Sub(w.asked) >= p.o.Wait/6 {
			if w.owner == owner {
				if now.Sub(p.yielded) < ownSpread {
					continue
				}
				p.yielded = now
			}
			w.asked = now
			return true
		}
	}
	return false
}
