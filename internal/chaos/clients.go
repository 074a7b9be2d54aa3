package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// clients submit pictures that no two have the same of, and remember every promise.
type clients struct {
	url    string
	http   *http.Client
	serial atomic.Int64

	mu       sync.Mutex          // guards what follows
	promised map[string]*promise // by job id
	refused  int                 // answers that promised nothing
	silent   int                 // requests without an answer
}

// promise is a job that a client was told is accepted.
type promise struct {
	image   []byte
	deleted bool // a DELETE was sent; the job may be gone
	again   int  // how often the same key was answered
}

func newClients(url string) *clients {
	return &clients{url: url, promised: map[string]*promise{}, http: &http.Client{Timeout: 40 * time.Second}}
}

// submitUntil submits one job after the other until ctx ends.
func (c *clients) submitUntil(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		n := c.serial.Add(1)
		key := ""
		if r.IntN(4) > 0 {
			key = fmt.Sprint("picture ", n)
		}
		c.submit(ctx, r, picture(n), key)
		rest(ctx, r, 20*time.Millisecond)
	}
}

// submit submits one picture; under a key it repeats what was not answered well.
func (c *clients) submit(ctx context.Context, r *rand.Rand, body []byte, key string) {
	for try := 0; try < 20 && (try == 0 || key != "") && ctx.Err() == nil; try++ {
		id, status, err := c.post(ctx, body, key, r.IntN(8) == 0)
		switch {
		case err != nil:
			c.note(func() { c.silent++ })
		case status != http.StatusAccepted && status != http.StatusCreated:
			c.note(func() { c.refused++ })
		default:
			c.note(func() {
				if c.promised[id] == nil {
					c.promised[id] = &promise{image: body}
				}
				c.promised[id].again++
			})
			switch r.IntN(30) {
			case 0:
				c.remove(ctx, id)
			case 1: // once more, for nothing
				continue
			}
			return
		}
		rest(ctx, r, 300*time.Millisecond)
	}
}

func (c *clients) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// post submits once. A 200 is a failed job that was waited for.
func (c *clients) post(ctx context.Context, body []byte, key string, wait bool) (id string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/jobs", bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "image/png")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if wait {
		req.Header.Set("Prefer", "wait=2")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		JobID string `json:"job_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", 0, err
	}
	return answer.JobID, resp.StatusCode, nil
}

func (c *clients) remove(ctx context.Context, id string) {
	c.note(func() { c.promised[id].deleted = true })
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.url+"/jobs/"+id, nil)
	if err != nil {
		return
	}
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
	}
}

// get fetches a path of the API.
func (c *clients) get(ctx context.Context, path string, header ...string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// picture is a small PNG that holds n.
func picture(n int64) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 2))
	binary.BigEndian.PutUint64(img.Pix, uint64(n))
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// ends counts, from the workers' logs, how often each job was brought to its end.
type ends struct {
	mu    sync.Mutex // guards count
	count map[string]int
}

func (e *ends) line(line []byte) {
	var rec struct {
		Msg   string `json:"msg"`
		JobID string `json:"job_id"`
		Ended bool   `json:"ended"`
	}
	if json.Unmarshal(line, &rec) != nil || !rec.Ended {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count[rec.JobID]++
}

var errLost = errors.New("promises were broken")
