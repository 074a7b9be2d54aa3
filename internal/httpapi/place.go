package httpapi

import (
	"context"
	"io"

	"claimcheck.example/internal/limiter"
)

// headBytes is the length of a body's head, after which the upload takes a place in memory:
// enough for the head of an image, also in a form. Headers alone take no place.
const headBytes = 4 << 10

// place is the place in memory of one upload. One goroutine uses it.
type place struct {
	limiter *limiter.Limiter
	r       *request
	lease   *limiter.Lease // nil while none is taken
}

// needsPlace reports whether an upload goes through memory: one that gets the offer of a
// direct upload does not.
func (a *api) needsPlace(r *request) bool {
	return a.Limiter != nil && (r.ContentLength <= a.InlineBytes || mediaTypeOf(r.Request) == "multipart/form-data")
}

// acquire waits for a place by the body's announced size. While others wait, a slow body
// gives way to them.
func (o *place) acquire(ctx context.Context) (err error) {
	if o.lease != nil {
		return nil
	}
	if o.lease, err = o.limiter.Acquire(ctx, o.r.who.Owner(), max(o.r.ContentLength, 0)); err == nil {
		o.r.body.Hurry(o.lease.Wanted)
	}
	return err
}

func (o *place) release() {
	if o.lease != nil {
		o.lease.Release()
	}
}

// headFirst is a body whose upload takes its place between the head and the rest.
type headFirst struct {
	io.ReadCloser
	place *place
	head  int // bytes that are still to come
}

func (b *headFirst) Read(p []byte) (int, error) {
	if b.head == 0 {
		if err := b.place.acquire(b.place.r.Context()); err != nil {
			return 0, err
		}
		return b.ReadCloser.Read(p)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.head)])
	b.head -= n
	return n, err
}
