package processor

import (
	"context"

	"golang.org/x/sync/semaphore"

	"claimcheck.example/internal/job"
)

// Room bounds the pixels of the pictures that the pipeline has in hand at once: of each
// job those of its largest, be it the image or what becomes of it. A job that has more
// than the bound is alone. Jobs enter in the order in which they came, so that a large
// one waits for those before it, and those behind wait for it.
type Room struct {
	image *Image
	size  int64
	taken *semaphore.Weighted
}

var _ job.Room = (*Room)(nil)

// Room returns a room for so many pixels.
func (p *Image) Room(pixels int64) *Room {
	return &Room{image: p, size: pixels, taken: semaphore.NewWeighted(pixels)}
}

// Enter implements job.Room.
func (r *Room) Enter(ctx context.Context, t job.Task) (leave func(), err error) {
	n, err := r.image.pixels(t)
	if err != nil {
		return nil, err
	}
	n = min(n, r.size)
	if err := r.taken.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { r.taken.Release(n) }, nil
}

// pixels is how many the largest picture of the job has; as many as are allowed, when
// the image's size is not known.
func (p *Image) pixels(t job.Task) (int64, error) {
	plan, err := parsePlan(t.Params, p.opts.MaxPixels)
	if err != nil {
		return 0, err
	}
	w, h := t.Input.Width, t.Input.Height
	if w <= 0 || h <= 0 {
		return p.opts.MaxPixels, nil
	}
	// Which way up it is turns out later.
	upright, _ := plan.cost(w, h)
	aside, _ := plan.cost(h, w)
	return min(max(upright, aside), p.opts.MaxPixels), nil
}
