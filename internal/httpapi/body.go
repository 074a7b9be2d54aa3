package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
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
	// A body of more than largeBytes takes one of the few large buffers. While others wait
	// for one, it must bring hurryRate bytes a second.
	largeBytes = 256 << 10
	hurryRate  = 64 << 10
)

// patient reads a body with a bounded wait for each next piece and for all of them, so
// that a client which stops sending, or all but stops, holds nothing for long. The
// deadline is lifted at the body's end: the server itself watches the connection from
// then on.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	yield   func() bool
	until   time.Time     // the deadline that is set
	waited  time.Duration // for what was read; the time between reads is not the client's
	asked   bool          // a read has begun
	ended   bool          // there is nothing more, or no more of any use
	broken  bool          // it ended before its end

	mu      sync.Mutex  // guards what follows
	got     int64       // bytes read
	reading bool        // a read is under way
	pace    *time.Timer // looks at the pace of a large body; nil before, and after the end
	earlier [2]int64    // what had been read when it looked last, and before that
	cut     bool        // others wait, and it has been too slow
}

// watch puts a patient in place of the request's body.
func (a *api) watch(w http.ResponseWriter, r *http.Request) *patient {
	p := &patient{ReadCloser: r.Body, control: http.NewResponseController(w), idle: a.IdleTimeout, yield: a.Yield}
	p.ended = r.Body == nil || r.Body == http.NoBody
	if !p.ended {
		r.Body = p
		if r.ProtoMajor == 1 && r.Header.Get("Expect") != "" {
			// The server is about to write, by the deadline of the answer before.
			p.control.SetWriteDeadline(time.Now().Add(p.idle))
		}
	}
	return p
}

// looks is how often the pace of a large body is looked at, which counts over two of
// these: 5 s for an idle timeout of 30 s.
func (p *patient) looks() time.Duration { return p.idle / 6 }

// begin sets the time for a read, and returns how much that is at most, or an error when
// there is to be none.
func (p *patient) begin(now time.Time) (patience time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return 0, os.ErrDeadlineExceeded
	}
	p.reading = true
	if p.got > largeBytes && p.pace == nil {
		p.earlier = [2]int64{p.got, p.got}
		p.pace = time.AfterFunc(p.looks(), p.look)
	}
	patience = min(p.idle, p.idle+time.Duration(p.got/leastRate)*time.Second-p.waited)
	// Not at every read: a deadline costs a timer's change.
	if left := p.until.Sub(now); left > patience || left < patience-p.idle/8 {
		p.until = now.Add(patience)
		p.control.SetReadDeadline(p.until) // without support (Lambda) the platform's own limit holds
	}
	return patience, nil
}

// end takes account of a read, and reports whether it was the pace that ended it.
func (p *patient) end(n int, err error) (cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got += int64(n)
	p.reading = false
	if err != nil {
		p.stop()
	}
	return p.cut
}

// look breaks off a read for which others wait and that has not brought enough.
func (p *patient) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pace == nil {
		return
	}
	enough := int64(hurryRate * 2 * p.looks() / time.Second)
	if p.reading && p.got-p.earlier[1] < enough && p.yield() {
		p.cut = true
		p.control.SetReadDeadline(time.Unix(1, 0))
		return
	}
	p.earlier = [2]int64{p.got, p.earlier[0]}
	p.pace.Reset(p.looks())
}

// release ends the watch over the pace: the connection goes on to other requests.
func (p *patient) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
}

func (p *patient) stop() {
	if p.pace != nil {
		p.pace.Stop()
		p.pace = nil
	}
}

func (p *patient) Read(b []byte) (n int, err error) {
	p.asked = true
	begin := time.Now()
	patience, err := p.begin(begin)
	if err == nil {
		n, err = p.ReadCloser.Read(b)
	}
	p.waited += time.Since(begin)
	cut := p.end(n, err)
	if err == io.EOF {
		p.ended = true
		p.control.SetReadDeadline(time.Time{})
	} else if err != nil {
		// The deadline stays: net/http would go on to read, and wait without end.
		p.ended, p.broken = true, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		why := fmt.Sprintf("nothing of the body came for %s; send it again", p.idle)
		switch {
		case cut:
			why = fmt.Sprintf("the body came at less than %d bytes a second while others waited for the room that it took; send it again by a better connection, or upload the image directly (POST /jobs with application/json)", hurryRate)
		case patience < p.idle:
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
