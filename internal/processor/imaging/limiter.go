package imaging

import (
	"context"
	"slices"
	"sync"

	"claimcheck.example/internal/job"
)

// Limiter bounds the pixels that an engine has in memory at once. Each job counts with
// its largest picture, the image or one made of it. A job that exceeds the bound runs
// alone, except for small ones.
//
// Jobs enter in the order of their arrival: a large job waits for those before it, and
// those behind wait for it. A job of up to a quarter of the bound that would have to wait
// uses a reserve of another quarter instead, so that small jobs go on while a large one
// works or waits.
type Limiter struct {
	limits  Limits
	size    int64
	weigher Weigher // nil without an engine that weighs

	mu            sync.Mutex // guards the fields below
	free, reserve int64      // pixels
	waiting       []*entrant // in the order of their arrival
}

// entrant is a job that waits or runs.
type entrant struct {
	pixels int64
	from   *int64        // the pool that its pixels come from; nil while it waits
	inside chan struct{} // closed when from is set
}

var _ job.Limiter = (*Limiter)(nil)

// Limiter returns a limiter for that many pixels, with its reserve in addition.
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
		case <-e.inside: // admitted at the last moment
		default:
			r.leave(e)
			return nil, ctx.Err()
		}
	}
	return func() { r.leave(e) }, nil
}

// admit lets in the waiting jobs for which there are free pixels.
func (r *Limiter) admit() {
	queued := false // an earlier job waits, so later ones may not overtake it
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

// leave returns the job's pixels, or gives up its place in the queue.
func (r *Limiter) leave(e *entrant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.from != nil {
		*e.from += e.pixels
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(o *entrant) bool { return o == e })
	r.admit()
}

// Weigher is an engine that knows how much memory a job needs.
type Weigher interface {
	// Weigh returns the memory of a job in pixels of eight bytes. The image's size is known.
	Weigh(input job.Media, plan Plan) int64
}

// pixels returns the weight of a job: by the engine's own estimate, else the pixels of
// its largest picture, and the maximum when the image's size is unknown.
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
	// The orientation is not known yet.
	upright, _ := plan.Cost(w, h)
	aside, _ := plan.Cost(h, w)
	return min(max(upright, aside), r.limits.MaxPixels), nil
}
