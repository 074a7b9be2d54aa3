package body

import (
	"io"
	"net/http"
	"time"
)

const (
	// drainTime is how long an answer waits for the rest of a body that no handler wants.
	drainTime = 500 * time.Millisecond
	// drainBytes is how much of such a body is passed over for the connection's sake.
	drainBytes = 64 << 10
)

// Drain passes over a body of HTTP/1 that the answer does not depend on, within bounds:
// net/http would read on before it answers, and wait for a client that sends nothing
// without end. It reports whether the connection is fit for another request.
func (b *Reader) Drain(r *http.Request) bool {
	if b.broken && r.ProtoMajor == 1 {
		return false
	}
	control := b.breaker.control
	if b.ended || r.ProtoMajor != 1 || control.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return true
	}
	if !b.asked && r.Header.Get("Expect") != "" {
		return false // the client was not asked to send, and will not be
	}
	b.ended = true
	switch _, err := io.CopyN(io.Discard, b.source, drainBytes); err {
	case io.EOF:
		control.SetReadDeadline(time.Time{})
		return true
	case nil:
		// There is more, and net/http wants to see a little of it: then it closes so that
		// a client which is still sending gets the answer all the same.
		control.SetReadDeadline(time.Now().Add(drainTime))
	}
	return false
}
