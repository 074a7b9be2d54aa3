package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// load is the request that clients repeat.
type load struct {
	method, path string
	body         []byte
	padding      int64 // zeros behind the body
	want         int   // status; 0: any of success
	wantBytes    int64 // of the answer; 0: whatever comes
}

// clients returns a client that keeps n connections alive.
func clients(n int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n, DisableCompression: true}}
}

// request makes one request of l.
func (l load) request(ctx context.Context, base string) (*http.Request, error) {
	var body io.Reader
	if l.body != nil {
		body = bytes.NewReader(l.body)
		if l.padding > 0 {
			body = io.MultiReader(body, io.LimitReader(zeros{}, l.padding))
		}
	}
	req, err := http.NewRequestWithContext(ctx, l.method, base+l.path, body)
	if err == nil && l.body != nil {
		req.Header.Set("Content-Type", "image/jpeg")
		req.ContentLength = int64(len(l.body)) + l.padding
	}
	return req, err
}

// ask makes one request of l, and reads and checks the whole answer.
func (l load) ask(ctx context.Context, c *http.Client, base string) error {
	req, err := l.request(ctx, base)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if l.want != 0 && resp.StatusCode != l.want || resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", l.method, l.path, resp.Status, text)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && l.wantBytes > 0 && n != l.wantBytes {
		err = fmt.Errorf("%s %s: %d bytes, not %d", l.method, l.path, n, l.wantBytes)
	}
	return err
}

// round has the figures of one round of load.
type round struct {
	took      time.Duration   // wall clock
	latencies []time.Duration // of each request
	taken     taken           // by the process
	jobs      int             // whose processing taken is for; zero: as many as there are latencies
}

// until is the end of a round: after some time, or after a number of requests.
type until struct {
	time     time.Duration
	requests int // 0: time decides
}

// drive runs n clients, each with a connection of its own, that ask a for l.
func (l load) drive(ctx context.Context, c *http.Client, a *proc, n int, end until) (round, error) {
	before, err := a.taken(ctx)
	if err != nil {
		return round{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var r round
	var mu sync.Mutex // guards r.latencies and left
	left := end.requests
	more := func() bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		return left >= 0
	}
	start := time.Now()
	if end.requests == 0 {
		more = func() bool { return time.Since(start) < end.time }
	}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			var mine []time.Duration
			for more() && ctx.Err() == nil {
				t := time.Now()
				if err := l.ask(ctx, c, a.url); err != nil {
					cancel(err)
					return
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			defer mu.Unlock()
			r.latencies = append(r.latencies, mine...)
		})
	}
	all.Wait()
	r.took = time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	after, err := a.taken(ctx)
	r.taken = taken{after.CPU - before.CPU, after.Allocs - before.Allocs, after.PeakRSS}
	return r, err
}

// picture is a JPEG of noise with size bytes or a little more.
func picture(size int) ([]byte, error) {
	encode := func(side int) ([]byte, error) {
		r := rand.New(rand.NewPCG(1, uint64(side)))
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		for y := range side {
			for x := range side {
				v := r.Uint32()
				m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), 255})
			}
		}
		var b bytes.Buffer
		err := jpeg.Encode(&b, m, nil)
		return b.Bytes(), err
	}
	for side := 64; ; {
		b, err := encode(side)
		if err != nil || len(b) >= size && len(b) <= size+size/10 {
			return b, err
		}
		// A little more than in proportion.
		side = int(float64(side)*math.Sqrt(1.02*float64(size)/float64(len(b)))) + 1
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
