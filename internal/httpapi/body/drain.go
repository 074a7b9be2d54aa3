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
	// lingerTime, lingerBytes and lingerIdle bound what is read of such a body after the
	// answer, in all and between two pieces.
	lingerTime  = 5 * time.Second
	lingerBytes = 128 << 20
	lingerIdle  = time.Second
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
		b.lingers = true
	}
	return false
}

// Linger sends the answer and then reads on, within bounds, where Drain left some of the
// body. A connection that is closed while bytes arrive is reset, and a client that sends
// all of its body first loses the answer: net/http waits for half a second at most, and for
// no time where the client sent Connection: close.
func (b *Reader) Linger() {
	control := b.breaker.control
	if !b.lingers || control.Flush() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	piece := make([]byte, 32<<10)
	for left := lingerBytes; left > 0; {
		deadline := time.Now().Add(lingerIdle)
		if end.Before(deadline) {
			deadline = end
		}
		if control.SetReadDeadline(deadline) != nil {
			return
		}
		n, err := b.source.Read(piece)
		if left -= n; err != nil {
			return
		}
	}
}
