package imaging

import (
	"context"
	"slices"
	"sync"

	"claimcheck.example/internal/job"
)

// Limiter bounds the pixels of the pictures that an engine has in hand at once: of each
// job those of its largest, be it the image or what becomes of it. A job that has more
// than the bound is alone, but for the small ones.
//
// Jobs enter in the order in which they came, so that a large one waits for those before
// it, and those behind wait for it. But a job of up to a quarter of the bound that would
// have to wait takes from a reserve of another quarter, so that whatever is small goes on
// while a large one works or waits.
type Limiter struct {
	limits  Limits
	size    int64
	weigher Weigher // nil where the engine is none

	mu            sync.Mutex // guards what follows
	free, reserve int64      // pixels
	waiting       []*entrant // in the order in which they came
}

// entrant is a job at the door.
type entrant struct {
	pixels int64
	from   *int64        // what the pixels are taken from; nil as long as it waits
	inside chan struct{} // closed when from is set
}

var _ job.Limiter = (*Limiter)(nil)

// Limiter returns a limiter for so many pixels, and its reserve.
func (p *Processor) Limiter(pixels int64) *Limiter {
	weigher, _ := p.engine.(Weigher)
	return &Limiter{limits: p.limits, size: pixels, weigher: weigher, free: pixels, reserve: pixels / 4}
}

// Acquire implements job.Limiter.
func (r *Limiter) Acquire(ctx context.Context, t job.Task) (release func(), err error) {
	n, err := r.pixels(t)
	if err != nil {
		return nil, err
	}
	e := &entrant{pixels: min(n, r.size), inside: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, e)
	r.admit()
	r.mu.Unlock()
	select {
	case <-e.inside:
	case <-ctx.Done():
		select {
		case <-e.inside: // who is inside is not turned away
		default:
			r.leave(e)
			return nil, ctx.Err()
		}
	}
	return func() { r.leave(e) }, nil
}

// admit lets in whom there is room for.
func (r *Limiter) admit() {
	queued := false // somebody waits, so that nobody behind takes what is free
	r.waiting = slices.DeleteFunc(r.waiting, func(e *entrant) bool {
		switch {
		case !queued && e.pixels <= r.free:
			e.from = &r.free
		case e.pixels <= r.size/4 && e.pixels <= r.reserve:
			e.from = &r.reserve
		default:
			queued = true
			return false
		}
		*e.from -= e.pixels
		close(e.inside)
		return true
	})
}

// leave gives back what the job has taken, or its place in the queue.
func (r *Limiter) leave(e *entrant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.from != nil {
		*e.from += e.pixels
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(o *entrant) bool { return o == e })
	r.admit()
}

// Weigher is an engine that knows how much memory a job takes.
type Weigher interface {
	// Weigh returns the memory of a job in pixels of eight bytes. The image's size is known.
	Weigh(input job.Media, plan Plan) int64
}

// pixels is what the engine says that the job takes, else how many pixels the largest
// picture of the job has; as many as are allowed, when the image's size is not known.
func (r *Limiter) pixels(t job.Task) (int64, error) {
	plan, err := Parse(t.Params, r.limits)
	if err != nil {
		return 0, err
	}
	w, h := t.Input.Width, t.Input.Height
	if w <= 0 || h <= 0 {
		return r.limits.MaxPixels, nil
	}
	if r.weigher != nil {
		return min(r.weigher.Weigh(t.Input, plan), r.limits.MaxPixels), nil
	}
	// Which way up it is turns out later.
	upright, _ := plan.Cost(w, h)
	aside, _ := plan.Cost(h, w)
	return min(max(upright, aside), r.limits.MaxPixels), nil
}
