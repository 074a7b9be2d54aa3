package body

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// leastRate is how many bytes a second a body must bring on average, once it has
	// been waited for longer than for one piece: one byte now and then would keep a place
	// among the uploads.
	leastRate = 1 << 10
	// hurryRate is how many it must bring while others wait for the memory that it holds.
	hurryRate = 64 << 10
	// looks is how often, at least, a body is looked at; its rate counts over two of these.
	looks = 5 * time.Second
)

// rateReader breaks a body off that comes too slowly.
type rateReader struct {
	source  io.Reader
	breaker *breaker
	idle    time.Duration

	mu      sync.Mutex  // guards what follows
	now     progress    // without the read under way
	reading time.Time   // when the read under way began; zero for none
	until   time.Time   // when that must be over by the least rate; zero for no such time
	watch   *time.Timer // looks at it all; nil before the first read and after the end
	wanted  func() bool // whether others want its memory; nil: never
	earlier [2]progress // at the last look since then, and the one before
}

// progress is how much of a body has come, and how long reads have waited for it.
type progress struct {
	bytes int64
	wait  time.Duration
}

func (r *rateReader) Read(p []byte) (int, error) {
	r.begin()
	n, err := r.source.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.bytes += int64(n)
	r.now.wait += time.Since(r.reading)
	r.reading = time.Time{}
	return n, err
}

func (r *rateReader) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading, r.until = time.Now(), time.Time{}
	left := r.idle + time.Duration(r.now.bytes/leastRate)*time.Second - r.now.wait
	if left < r.idle { // else the idle timeout comes first
		r.until = r.reading.Add(left)
	}
	if r.watch == nil {
		r.watch = time.AfterFunc(r.interval(), r.look)
	}
}

func (r *rateReader) hurry(wanted func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted, r.earlier = wanted, [2]progress{r.now, r.now}
}

func (r *rateReader) interval() time.Duration { return min(r.idle/6, looks) }

// look breaks off a read that has waited for too long.
func (r *rateReader) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch == nil {
		return
	}
	next := r.interval()
	if !r.reading.IsZero() {
		now := r.now
		now.wait += time.Since(r.reading)
		why := ""
		switch left := time.Until(r.until); {
		case r.until.IsZero():
		case left <= 0:
			why = fmt.Sprintf("the body arrived at less than %d bytes per second; send it again over a better connection", leastRate)
		default:
			next = min(next, left)
		}
		if why == "" && r.tooSlow(now) && r.wanted() {
			why = fmt.Sprintf("the body arrived at less than %d bytes per second while other uploads waited for its memory; send it again over a better connection, or upload the image directly (POST /jobs with application/json)", hurryRate)
		}
		if why != "" {
			r.breaker.breakOff(r.breaker.current(), why)
			return
		}
	}
	r.watch.Reset(next)
}

// tooSlow reports whether a body that others may want to give way comes too slowly.
func (r *rateReader) tooSlow(now progress) bool {
	if r.wanted == nil {
		return false
	}
	wait := now.wait - r.earlier[1].wait
	slow := wait >= r.interval() && now.bytes-r.earlier[1].bytes < int64(hurryRate*wait.Seconds())
	if now.wait-r.earlier[0].wait >= r.interval() {
		r.earlier = [2]progress{now, r.earlier[0]}
	}
	return slow
}

func (r *rateReader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch != nil {
		r.watch.Stop()
		r.watch = nil
	}
}
