package httpapi

import (
	"context"
	"io"

	"claimcheck.example/internal/limiter"
)

// headBytes is how much of a body is read before the upload takes room in memory: enough
// for the head of an image in a form too. Headers alone take nothing.
const headBytes = 4 << 10

// room is the room in memory of one upload. One goroutine uses it.
type room struct {
	limiter *limiter.Limiter
	r       *request
	lease   *limiter.Lease // nil while none is taken
}

// needsRoom reports whether an upload is kept in memory: one that will be offered a direct
// upload is not.
func (a *api) needsRoom(r *request) bool {
	return a.Limiter != nil && (r.ContentLength <= a.InlineBytes || mediaTypeOf(r.Request) == "multipart/form-data")
}

// acquire waits for the room that the body needs by its announced size. While others wait,
// a body that hardly comes gives way to them.
func (o *room) acquire(ctx context.Context) (err error) {
	if o.lease != nil {
		return nil
	}
	if o.lease, err = o.limiter.Acquire(ctx, o.r.who.Owner(), max(o.r.ContentLength, 0)); err == nil {
		o.r.body.Hurry(o.lease.Wanted)
	}
	return err
}

func (o *room) release() {
	if o.lease != nil {
		o.lease.Release()
	}
}

// headFirst is a body whose upload takes its room once the head has come, before the rest
// is read.
type headFirst struct {
	io.ReadCloser
	room *room
	head int // bytes that are still to come
}

func (b *headFirst) Read(p []byte) (int, error) {
	if b.head == 0 {
		if err := b.room.acquire(b.room.r.Context()); err != nil {
			return 0, err
		}
		return b.ReadCloser.Read(p)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.head)])
	b.head -= n
	return n, err
}
