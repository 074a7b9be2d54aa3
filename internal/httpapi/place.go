package httpapi

import (
	"context"
	"io"

	"claimcheck.example/internal/limiter"
)

// headBytes is the length of a body's head, after which the upload takes a place in memory:
// enough for the head of an image, also in a form. Headers alone take no place.
const headBytes = 4 << 10

// place is the place of one upload in the budget of memory. One goroutine uses it.
type place struct {
	limiter *limiter.Limiter // nil: there is no bound
	r       *request
	lease   *limiter.Lease // nil while none is taken
}

// placeFor returns the place of a submit. A body with an image takes it between its head and
// the rest, unless the image is so large that it is offered a direct upload.
func (a *api) placeFor(r *request, h head) *place {
	o := &place{limiter: a.Limiter, r: r}
	if a.Limiter != nil && h.hasImage() && (r.ContentLength <= a.InlineBytes || h.mediaType == "multipart/form-data") {
		r.Body = &headFirst{ReadCloser: r.Body, place: o}
	}
	return o
}

// acquire waits for a place by the body's announced size. A body of unknown size begins as a
// small one. While others wait, a slow body gives way to them.
func (o *place) acquire(ctx context.Context, _ int64) error {
	if o.limiter == nil || o.lease != nil {
		return nil
	}
	size := o.r.ContentLength
	if size < 0 {
		size = o.limiter.SmallBytes()
	}
	return o.take(ctx, size)
}

// grow exchanges the place of a small upload for that of a large one.
func (o *place) grow(ctx context.Context) error {
	small := o.lease
	defer small.Release()
	return o.take(ctx, 0)
}

func (o *place) take(ctx context.Context, size int64) error {
	lease, err := o.limiter.Acquire(ctx, o.r.who.Owner(), size)
	if err != nil {
		return err
	}
	o.lease = lease
	o.r.body.Hurry(lease.Wanted)
	return nil
}

// acquireFetched waits for the place of an image that is fetched.
func (o *place) acquireFetched(ctx context.Context, size int64) (err error) {
	if o.limiter == nil {
		return nil
	}
	o.release() // what its form has taken
	o.lease, err = o.limiter.Acquire(ctx, o.r.who.Owner(), size)
	return err
}

func (o *place) release() {
	if o.lease != nil {
		o.lease.Release()
	}
}

// headFirst is a body whose upload takes its place between the head and the rest. A body of
// unknown size takes the place of a large upload once it has as many bytes as a small one
// may have.
type headFirst struct {
	io.ReadCloser
	place *place
	read  int64
	grew  bool
}

func (b *headFirst) Read(p []byte) (n int, err error) {
	limit := int64(headBytes)
	if b.read >= limit {
		if err := b.place.acquire(b.place.r.Context(), 0); err != nil {
			return 0, err
		}
		limit = b.place.limiter.SmallBytes()
		if b.grew || b.place.r.ContentLength >= 0 {
			return b.ReadCloser.Read(p)
		}
		if b.read >= limit {
			if err := b.place.grow(b.place.r.Context()); err != nil {
				return 0, err
			}
			b.grew = true
			return b.ReadCloser.Read(p)
		}
	}
	n, err = b.ReadCloser.Read(p[:min(int64(len(p)), limit-b.read)])
	b.read += int64(n)
	return n, err
}
