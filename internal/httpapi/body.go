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
	// hurryRate is how many it must bring while it holds a large buffer that others wait for.
	hurryRate = 64 << 10
	// looks is how often, at least, a body is looked at; its pace counts over two of these.
	looks = 5 * time.Second
)

// patient reads a body with a bounded wait for each next piece and for all of them, so
// that a client which stops sending, or all but stops, holds nothing for long. Only the
// time in which a read waits counts, since what passes between reads is not the client's.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	yield   func() bool
	asked   bool // a read has begun
	ended   bool // there is nothing more, or no more of any use
	broken  bool // it ended before its end

	mu      sync.Mutex  // guards what follows
	now     progress    // without the read under way
	reading time.Time   // when the read under way began; zero for none
	until   time.Time   // when that has to be over
	watch   *time.Timer // looks at it all; nil before the first read and after the end
	held    bool        // a large buffer is filled with it
	earlier [2]progress // at the last look since then, and the one before
	why     string      // it was broken off
}

// progress is how much of a body has come, and how long it was waited for.
type progress struct {
	bytes int64
	wait  time.Duration
}

// watch puts a patient in place of the request's body.
func (a *api) watch(w http.ResponseWriter, r *http.Request) *patient {
	p := &patient{ReadCloser: r.Body, control: http.NewResponseController(w), idle: a.IdleTimeout, yield: a.Yield}
	p.ended = r.Body == nil || r.Body == http.NoBody
	if !p.ended {
		r.Body = p
	}
	return p
}

func (p *patient) Read(b []byte) (n int, err error) {
	p.asked = true
	if why := p.begin(); why != "" {
		err = os.ErrDeadlineExceeded
	} else {
		n, err = p.ReadCloser.Read(b)
	}
	why := p.end(n, err)
	if err == io.EOF {
		p.ended = true
		if why != "" { // the end came in the moment in which the read was broken off
			p.control.SetReadDeadline(time.Time{})
		}
	} else if err != nil {
		// The deadline stays: net/http would go on to read, and wait without end.
		p.ended, p.broken = true, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = job.Wrap(job.Timeout, err, why)
	}
	return n, err
}

// begin and end go around a read. They return why there shall be no more, or "".
func (p *patient) begin() (why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = time.Now()
	patience := min(p.idle, p.idle+time.Duration(p.now.bytes/leastRate)*time.Second-p.now.wait)
	p.until = p.reading.Add(patience)
	if p.watch == nil {
		p.watch = time.AfterFunc(p.looks(), p.look)
	}
	return p.why
}

func (p *patient) end(n int, err error) (why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.bytes += int64(n)
	p.now.wait += time.Since(p.reading)
	p.reading = time.Time{}
	if err != nil {
		p.stop()
	}
	return p.why
}

// hold says that from now on a large buffer is filled with the body.
func (p *patient) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		p.held, p.earlier = true, [2]progress{p.now, p.now}
	}
}

func (p *patient) looks() time.Duration { return min(p.idle/6, looks) }

// look breaks off a read that has waited for too long. A read deadline that is always set
// would do so as well, but over HTTP/2 it runs, and ends the body for good, while nobody
// reads.
func (p *patient) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watch == nil {
		return
	}
	now, next := p.now, p.looks()
	if !p.reading.IsZero() {
		now.wait += time.Since(p.reading)
		left := time.Until(p.until)
		switch {
		case left > 0:
			next = min(next, left)
		case p.until.Sub(p.reading) < p.idle:
			p.why = fmt.Sprintf("the body came at less than %d bytes a second; send it again by a better connection", leastRate)
		default:
			p.why = fmt.Sprintf("nothing of the body came for %s; send it again", p.idle)
		}
		if p.why == "" && p.tooSlow(now) && p.yield() {
			p.why = fmt.Sprintf("the body came at less than %d bytes a second while others waited for the room that it took; send it again by a better connection, or upload the image directly (POST /jobs with application/json)", hurryRate)
		}
		if p.why != "" {
			p.control.SetReadDeadline(time.Unix(1, 0)) // without support (Lambda) the platform's own limit holds
			return
		}
	}
	p.watch.Reset(next)
}

// tooSlow tells the pace of a body that fills a large buffer.
func (p *patient) tooSlow(now progress) bool {
	if !p.held {
		return false
	}
	wait := now.wait - p.earlier[1].wait
	slow := wait >= p.looks() && now.bytes-p.earlier[1].bytes < int64(hurryRate*wait.Seconds())
	if now.wait-p.earlier[0].wait >= p.looks() {
		p.earlier = [2]progress{now, p.earlier[0]}
	}
	return slow
}

// release ends the watch: the connection goes on to other requests.
func (p *patient) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
}

func (p *patient) stop() {
	if p.watch != nil {
		p.watch.Stop()
		p.watch = nil
	}
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
