// Package body reads the body of a request from a client that may be slow, or silent.
//
// A [Reader] is two small readers, one with an idle timeout and one with a minimum rate,
// and a drain for what no handler wants to read. Only the time in which a read waits
// counts, since what passes between reads is not the client's.
package body

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// Reader is the body of one request. One goroutine at a time reads it.
type Reader struct {
	source  io.ReadCloser
	timed   io.Reader // source under both limits
	breaker *breaker
	rate    *rateReader
	asked   bool // a read has begun
	ended   bool // there is nothing more, or no more of any use
	broken  bool // it ended before its end
	lingers bool // the client still sends what no handler wants
}

// New puts a Reader in place of r's body; idle bounds the wait for each next piece.
func New(w http.ResponseWriter, r *http.Request, idle time.Duration) *Reader {
	b := &Reader{source: r.Body, breaker: &breaker{control: http.NewResponseController(w)}}
	b.rate = &rateReader{source: &idleReader{b.source, b.breaker, idle}, breaker: b.breaker, idle: idle}
	b.timed = b.rate
	b.ended = r.Body == nil || r.Body == http.NoBody
	if !b.ended {
		r.Body = b
	}
	return b
}

// Hurry makes the body give way to others: from now on, while wanted reports true, it is
// broken off when it comes at less than 64 KiB a second.
func (b *Reader) Hurry(wanted func() bool) { b.rate.hurry(wanted) }

// Read implements io.Reader. A body that its client does not send in time ends with an
// error of kind Timeout.
func (b *Reader) Read(p []byte) (n int, err error) {
	b.asked = true
	why := b.breaker.begin()
	if why != "" {
		err = os.ErrDeadlineExceeded
	} else {
		n, err = b.timed.Read(p)
	}
	why = b.breaker.end()
	if err != nil {
		b.ended = true
		b.rate.stop()
	}
	if err == io.EOF {
		if why != "" { // the end came in the moment in which the read was broken off
			b.breaker.control.SetReadDeadline(time.Time{})
		}
	} else if err != nil {
		// The deadline stays: net/http would go on to read, and wait without end.
		b.broken = true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = job.Wrap(job.Timeout, err, why)
	}
	return n, err
}

// Close implements io.Closer.
func (b *Reader) Close() error { return b.source.Close() }

// Stop ends the timers: the connection goes on to other requests.
func (b *Reader) Stop() { b.rate.stop() }

// breaker breaks off the read that is under way, by a read deadline in the past. A deadline
// that is always set would do so as well, but over HTTP/2 it runs, and ends the body for
// good, while nothing reads. Without support (Lambda) the platform's own limit holds.
type breaker struct {
	control *http.ResponseController

	mu      sync.Mutex // guards what follows
	serial  int        // of the read that is under way, or was the last
	reading bool
	why     string // it was broken off; it stays
}

func (b *breaker) begin() (why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serial++
	b.reading = true
	return b.why
}

func (b *breaker) end() (why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	return b.why
}

// current returns the serial number of the read that is under way.
func (b *breaker) current() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serial
}

// breakOff ends a read, if it is still under way, with a sentence for the client.
func (b *breaker) breakOff(serial int, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.reading || b.serial != serial || b.why != "" {
		return
	}
	b.why = why
	b.control.SetReadDeadline(time.Unix(1, 0))
}
