package httpapi

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

const (
	// sendBytes is the size of one write of an output: large, because system calls are most of
	// the cost of an output, but not too large for a slow client within the idle timeout.
	sendBytes = 128 << 10
	// sendPatience is the maximum time of one write while others wait.
	sendPatience = 5 * time.Second
)

// send copies the body to the client, with a bounded wait. While others wait for the place (nil
// for none), a client that reads nothing for 5 s loses it. If either side breaks off, the
// answer has fewer bytes than its Content-Length and the server closes the connection, so the
// client does not mistake a part for the whole.
func (a *api) send(w http.ResponseWriter, r *request, c *job.Content, place *limiter.Lease) {
	out := &answer{w: w, control: http.NewResponseController(w), idle: a.IdleTimeout, place: place, moved: time.Now()}
	defer out.watch()()
	buf := passing.Get().(*[]byte)
	defer passing.Put(buf)
	if n, err := io.CopyBuffer(out, c.Body, *buf); err != nil || n != c.Size {
		a.Logger.WarnContext(r.Context(), "output broke off", "request_id", r.id, "sent", n, "of", c.Size, "gave_way", out.gaveWay, "error", err)
	}
}

// passing has the buffers for outputs.
var passing = sync.Pool{New: func() any {
	b := make([]byte, sendBytes)
	return &b
}}

// answer is an output that is being sent.
type answer struct {
	w       io.Writer
	control *http.ResponseController
	idle    time.Duration
	place   *limiter.Lease

	mu      sync.Mutex // guards what follows
	moved   time.Time  // when the last piece was taken
	gaveWay bool
	ended   bool
}

// Write implements io.Writer. It renews the write deadline, unless the answer lost its place.
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	if !a.gaveWay {
		a.control.SetWriteDeadline(time.Now().Add(a.idle))
	}
	a.mu.Unlock()
	n, err := a.w.Write(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moved = time.Now()
	return n, err
}

// watch ends the answer if it must lose its place, until stop is called.
func (a *answer) watch() (stop func()) {
	if a.place == nil {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(sendPatience, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.ended:
		case time.Since(a.moved) >= sendPatience && a.place.Wanted():
			a.gaveWay = true
			a.control.SetWriteDeadline(time.Unix(1, 0))
		default:
			timer.Reset(rand.N(2 * sendPatience / 5)) // not all that began together
		}
	})
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ended = true
		timer.Stop()
	}
}
