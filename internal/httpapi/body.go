package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"claimcheck.example/internal/job"
)

const (
	// lingerTime is how long an answer waits for the rest of a body that nobody wants.
	lingerTime = 500 * time.Millisecond
	// lingerBytes is how much of such a body is passed over for the connection's sake.
	lingerBytes = 64 << 10
	// leastRate is how many bytes a second a body must bring on average, once it has
	// been waited for longer than for one piece: places for uploads are few, and one byte
	// now and then would keep them.
	leastRate = 1 << 10
)

// patient reads a body with a bounded wait for each next piece and for all of them, so
// that a client which stops sending, or all but stops, holds nothing for long. The deadline is lifted at the body's end: the
// server itself watches the connection from then on.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	until   time.Time
	got     int64         // bytes read
	waited  time.Duration // for them; the time between reads is not the client's
	asked   bool          // a read has begun
	ended   bool          // there is nothing more, or no more of any use
	broken  bool          // it ended before its end
}

// watch puts a patient in place of the request's body.
func (a *api) watch(w http.ResponseWriter, r *http.Request) *patient {
	p := &patient{ReadCloser: r.Body, control: http.NewResponseController(w), idle: a.IdleTimeout}
	p.ended = r.Body == nil || r.Body == http.NoBody
	if !p.ended {
		r.Body = p
	}
	return p
}

func (p *patient) Read(b []byte) (int, error) {
	p.asked = true
	begin := time.Now()
	patience := min(p.idle, p.idle+time.Duration(p.got/leastRate)*time.Second-p.waited)
	// Not at every read: a deadline costs a timer's change.
	if left := p.until.Sub(begin); left > patience || left < patience-p.idle/8 {
		p.until = begin.Add(patience)
		p.control.SetReadDeadline(p.until) // without support (Lambda) the platform's own limit holds
	}
	n, err := p.ReadCloser.Read(b)
	p.got, p.waited = p.got+int64(n), p.waited+time.Since(begin)
	if err == io.EOF {
		p.ended = true
		p.control.SetReadDeadline(time.Time{})
	} else if err != nil {
		// The deadline stays: net/http would go on to read, and wait without end.
		p.ended, p.broken = true, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		why := fmt.Sprintf("nothing of the body came for %s; send it again", p.idle)
		if patience < p.idle {
			why = fmt.Sprintf("the body came at less than %d bytes a second; send it again by a better connection", leastRate)
		}
		err = job.Wrap(job.Timeout, err, why)
	}
	return n, err
}

// forgo passes over a body of HTTP/1 that the answer does not depend on, within bounds:
// net/http would read on before it answers, and wait for a client that sends nothing
// without end. It reports whether the connection is fit for another request.
func (p *patient) forgo(r *http.Request) bool {
	if p.broken && r.ProtoMajor == 1 {
		return false
	}
	if p.ended || r.ProtoMajor != 1 || p.control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return true
	}
	if !p.asked && r.Header.Get("Expect") != "" {
		return false // it has not been asked to send, and will not be
	}
	p.ended = true
	switch _, err := io.CopyN(io.Discard, p.ReadCloser, lingerBytes); err {
	case io.EOF:
		p.control.SetReadDeadline(time.Time{})
		return true
	case nil:
		// There is more, and net/http wants to see a little of it: then it closes so that
		// a client which is still sending gets the answer all the same.
		p.control.SetReadDeadline(time.Now().Add(lingerTime))
	}
	return false
}
