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
	// sendBytes is the size of the pieces in which an output is sent: large, since the
	// kernel's calls are most of what an output costs, but not larger than a slow client
	// takes within the idle timeout.
	sendBytes = 128 << 10
	// sendPatience is how long a client may take for one piece while others wait.
	sendPatience = 5 * time.Second
)

// send passes the body on, with a bounded wait for the client. While others wait for the
// place, nil for none, a client that takes no piece in 5 s gives way to them. When
// either side breaks off, fewer bytes than announced are written and the server cuts the
// connection, so the client does not take a part for the whole.
func (a *api) send(w http.ResponseWriter, r *request, c *job.Content, place *limiter.Lease) {
	out := &answer{w: w, control: http.NewResponseController(w), idle: a.IdleTimeout, place: place, moved: time.Now()}
	defer out.watch()()
	buf := passing.Get().(*[]byte)
	defer passing.Put(buf)
	if n, err := io.CopyBuffer(out, c.Body, *buf); err != nil || n != c.Size {
		a.Logger.WarnContext(r.Context(), "output broke off", "request_id", r.id, "sent", n, "of", c.Size, "gave_way", out.gaveWay, "error", err)
	}
}

// passing holds the buffers through which outputs pass.
var passing = sync.Pool{New: func() any {
	b := make([]byte, sendBytes)
	return &b
}}

// answer is an output on its way to its client.
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

// Write implements io.Writer. It renews the write deadline, unless the answer gave way.
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

// watch has the answer give way when it must, until stop is called.
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
