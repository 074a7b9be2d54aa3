package body

import (
	"fmt"
	"io"
	"time"
)

// idleReader bounds the wait for each next piece of a body.
type idleReader struct {
	source  io.Reader
	breaker *breaker
	idle    time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	serial := r.breaker.current()
	timer := time.AfterFunc(r.idle, func() {
		r.breaker.breakOff(serial, fmt.Sprintf("no byte of the body arrived for %s; send it again", r.idle))
	})
	defer timer.Stop()
	return r.source.Read(p)
}
