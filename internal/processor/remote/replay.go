package remote

import (
	"errors"
	"io"
	"sync"
)

// replayBytes is how much of an image is kept so that it can be sent again.
const replayBytes = 4 << 20

// errSpent means that more of an image has been sent than is kept.
var errSpent = errors.New("the image is too large to be sent twice")

// replay lets an image that is read once be sent more than once: after a redirect, and
// after a kept-alive connection that the server has closed.
type replay struct {
	source io.Reader

	mu      sync.Mutex // guards what follows, and reads of source
	kept    []byte     // all that was read of source
	lost    bool       // the image is not sent again
	current *replayed  // the body that may read; others are over
}

// body returns the image from its beginning, and ends every body before.
func (r *replay) body() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost {
		return nil, errSpent
	}
	r.current = &replayed{replay: r}
	return r.current, nil
}

// forget keeps no more than the body in use needs: there is an answer.
func (r *replay) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
	r.release()
}

// release drops the bytes that no body reads any more. The caller has locked mu.
func (r *replay) release() {
	if r.lost && (r.current == nil || r.current.at >= len(r.kept)) {
		r.kept = nil
	}
}

// replayed is one body of a replay.
type replayed struct {
	*replay
	at int // in kept
}

func (b *replayed) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b != b.current {
		return 0, io.ErrClosedPipe
	}
	defer b.release()
	if b.at < len(b.kept) {
		n := copy(p, b.kept[b.at:])
		b.at += n
		return n, nil
	}
	n, err := b.source.Read(p)
	if err != nil && err != io.EOF || len(b.kept)+n > replayBytes {
		b.lost = true
	}
	if !b.lost {
		b.kept = append(b.kept, p[:n]...)
		b.at += n
	}
	return n, err
}

// Close implements io.Closer. The image is its owner's to close.
func (b *replayed) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b == b.current {
		b.current = nil
	}
	b.release()
	return nil
}
