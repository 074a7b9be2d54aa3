// Package input reads a job's image on behalf of a processor.
package input

import (
	"context"
	"io"
	"sync/atomic"
)

// Reader reads until its context ends. It remembers the error that ended reading, so that
// a processor can tell it from a write error.
type Reader struct {
	ctx context.Context
	r   io.Reader
	err atomic.Pointer[error]
}

// NewReader returns a Reader of r.
func NewReader(ctx context.Context, r io.Reader) *Reader {
	return &Reader{ctx: ctx, r: r}
}

// Read implements io.Reader. When the context is over, its error is the context's cause.
func (r *Reader) Read(p []byte) (int, error) {
	err := context.Cause(r.ctx)
	n := 0
	if err == nil {
		n, err = r.r.Read(p)
	}
	if err != nil && err != io.EOF {
		r.err.Store(&err)
	}
	return n, err
}

// Err returns the error that reading ended with; nil when there is none so far.
func (r *Reader) Err() error {
	if err := r.err.Load(); err != nil {
		return *err
	}
	return nil
}
