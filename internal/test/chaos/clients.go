package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/image/bmp"
)

// clients submit pictures that are all different, and record every promise.
type clients struct {
	url    string
	http   *http.Client
	serial atomic.Int64

	hook string // the URL of the receiver of webhooks; empty for none

	mu       sync.Mutex          // guards what follows, and what orders say of their requests
	promised map[string]*promise // by job id
	replaced map[string]bool     // inputs of announced jobs in whose place a plain submit came
	large    int                 // pictures that go into storage in several parts
	direct   int                 // pictures that their client uploads into storage by itself
	unserved int                 // pictures that no job was promised for
	overlaps int                 // repeats while an earlier request was at work
	refused  int                 // answers that promised nothing
	silent   int                 // requests without an answer
	wrong    []string            // answers that should not have been given
}

// promise is a job that an answer to a client accepted.
type promise struct {
	sum     [sha256.Size]byte // of the picture
	deleted bool              // a DELETE was sent; the job may be gone
	gone    bool              // and answered; the job is gone
	cancel  cancellation
	order   *order // which it was made for
}

// cancellation is what a client knows of its request to cancel a job.
type cancellation int

const (
	uncanceled cancellation = iota // never sent
	unanswered                     // the job may be canceled
	canceled                       // the job is
	tooLate                        // the job was over
)

func newClients(url string) *clients {
	return &clients{url: url, promised: map[string]*promise{}, replaced: map[string]bool{}, http: &http.Client{Timeout: 2 * time.Minute}}
}

// order is one picture, with the outcome of its requests.
type order struct {
	image    []byte
	key      string // empty for none; then nothing is repeated
	large    bool
	direct   bool
	webhook  string   // empty for none
	id       string   // of the promised job
	silent   bool     // a request had no answer
	plain    bool     // a request carried the picture itself
	uploaded []string // inputs that requests put into storage by themselves
	story    []string // its requests
}

// submitUntil submits one picture after the other until ctx ends.
func (c *clients) submitUntil(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		n, o := c.serial.Add(1), &order{large: r.IntN(40) == 0}
		o.image = picture(n, o.large)
		if r.IntN(2) == 0 {
			o.webhook = c.hook
		}
		if r.IntN(4) > 0 {
			o.key, o.direct = fmt.Sprint("picture ", n), r.IntN(8) == 0
		}
		c.submit(ctx, r, o)
		o.image = nil // what is left of it is its sum
		c.note(func() {
			c.large += count(o.large)
			c.direct += count(o.direct)
			for _, input := range o.uploaded {
				c.replaced[input] = o.plain
			}
			c.unserved += count(o.id == "")
		})
		rest(ctx, r, 20*time.Millisecond)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// submit submits one picture until it is accepted. Under a key it repeats failed requests. An
// impatient client hangs up, or overlaps its requests.
func (c *clients) submit(ctx context.Context, r *rand.Rand, o *order) {
	var requests sync.WaitGroup
	hurry := 4 - 2*count(o.large)
	for try := 0; try < 20 && (try == 0 || o.key != "") && ctx.Err() == nil; try++ {
		request, hangUp := context.WithCancel(ctx)
		done := make(chan struct{})
		direct, wait := o.direct && r.IntN(4) > 0, r.IntN(8) == 0
		requests.Go(func() {
			defer hangUp()
			defer close(done)
			c.try(request, o, direct, wait)
		})
		if o.key != "" && r.IntN(hurry) == 0 {
			select {
			case <-done:
			case <-time.After(time.Duration(r.Int64N(int64(50 * time.Millisecond)))):
				c.note(func() { c.overlaps++ })
				if r.IntN(2) == 0 {
					hangUp()
				}
				continue
			}
		}
		if <-done; !c.served(o) {
			rest(ctx, r, 300*time.Millisecond)
		} else if r.IntN(30) > 0 { // else once more, for nothing
			break
		}
	}
	requests.Wait()
	// A request without an answer may still run, and create a deleted job again.
	switch {
	case o.id == "":
	case r.IntN(12) == 0:
		c.cancel(ctx, o.id)
	case !o.silent && r.IntN(30) == 0:
		c.remove(ctx, o.id)
	}
}

// try submits the picture once, and records the answer.
func (c *clients) try(ctx context.Context, o *order, direct, wait bool) {
	ask := c.post
	if direct {
		ask = c.upload
	}
	c.note(func() { o.plain = o.plain || !direct })
	begun := time.Now()
	id, status, err := ask(ctx, o, wait)
	c.mu.Lock()
	defer c.mu.Unlock()
	o.story = append(o.story, fmt.Sprintf("%s %d bytes under %q, directly %t: after %s %d %v",
		begun.Format(stamp), len(o.image), o.key, direct, time.Since(begun).Round(time.Millisecond), status, err))
	switch {
	case err != nil:
		c.silent++
		o.silent = true
		return
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		c.refused++
		return
	case status >= 300:
		c.wrong = append(c.wrong, fmt.Sprintf("a submit of %d bytes under the key %q got %d (%s)", len(o.image), o.key, status, strings.Join(o.story, "; ")))
		return
	case o.id != "" && o.id != id:
		c.wrong = append(c.wrong, fmt.Sprintf("the key %q names the jobs %s and %s", o.key, o.id, id))
	}
	o.id = id
	if c.promised[id] == nil {
		c.promised[id] = &promise{sum: sha256.Sum256(o.image), order: o}
	}
}

func (c *clients) served(o *order) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return o.id != ""
}

func (c *clients) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// post submits once. A 200 is a failed job after a wait.
func (c *clients) post(ctx context.Context, o *order, wait bool) (id string, status int, err error) {
	header := []string{"Content-Type", "image/bmp"}
	if o.key != "" {
		header = append(header, "Idempotency-Key", o.key)
	}
	if wait {
		header = append(header, "Prefer", "wait=2")
	}
	path := "/jobs"
	if o.webhook != "" {
		path += "?" + url.Values{"webhook": {o.webhook}}.Encode()
	}
	id, _, status, err = c.job(ctx, path, o.image, header...)
	return id, status, err
}

// upload announces a picture, sends it to storage and commits it. It repeats the steps of an
// earlier attempt.
func (c *clients) upload(ctx context.Context, o *order, _ bool) (id string, status int, err error) {
	announcement, err := json.Marshal(map[string]any{"content_type": "image/bmp", "size_bytes": len(o.image), "webhook": o.webhook})
	if err != nil {
		return "", 0, err
	}
	id, to, status, err := c.job(ctx, "/jobs", announcement, "Content-Type", "application/json", "Idempotency-Key", o.key)
	if err != nil || status != http.StatusAccepted {
		return id, status, err
	}
	if to != nil { // else it was committed before
		if input := jobID.FindString(strings.TrimPrefix(to.URL, c.url)); input != "" {
			c.note(func() { o.uploaded = append(o.uploaded, input) })
		}
		var header []string
		for name, value := range to.Headers {
			header = append(header, name, value)
		}
		status, _, err := c.do(ctx, to.Method, to.URL, o.image, header...)
		if err != nil {
			return id, 0, err
		}
		if status != http.StatusOK && status != http.StatusPreconditionFailed { // it is there already
			return id, http.StatusInternalServerError, nil // storage's answers are not the API's
		}
	}
	id, _, status, err = c.job(ctx, "/jobs/"+id+"/commit", nil)
	return id, status, err
}

// destination is the target of a direct upload.
type destination struct {
	Method, URL string
	Headers     map[string]string
}

// job posts to the API, and reads the job of the answer.
func (c *clients) job(ctx context.Context, path string, body []byte, header ...string) (id string, to *destination, status int, err error) {
	status, answer, err := c.do(ctx, http.MethodPost, c.url+path, body, header...)
	if err != nil {
		return "", nil, 0, err
	}
	var j struct {
		JobID  string `json:"job_id"`
		Upload *destination
	}
	err = json.Unmarshal(answer, &j)
	return j.JobID, j.Upload, status, err
}

func (c *clients) cancel(ctx context.Context, id string) {
	c.note(func() { c.promised[id].cancel = unanswered })
	status, body, err := c.do(ctx, http.MethodPost, c.url+"/jobs/"+id+"/cancel", nil)
	c.note(func() {
		switch p := c.promised[id]; {
		case err != nil || status >= 500:
		case status == http.StatusAccepted:
			p.cancel = canceled
		case status == http.StatusConflict:
			p.cancel = tooLate
		default:
			c.wrong = append(c.wrong, fmt.Sprintf("the cancellation of job %s got %d: %s", id, status, body))
		}
	})
}

func (c *clients) remove(ctx context.Context, id string) {
	c.note(func() { c.promised[id].deleted = true })
	status, _, err := c.do(ctx, http.MethodDelete, c.url+"/jobs/"+id, nil)
	c.note(func() {
		c.promised[id].gone = err == nil && (status == http.StatusNoContent || status == http.StatusNotFound)
	})
}

// get fetches a path of the API.
func (c *clients) get(ctx context.Context, path string) (status int, body []byte, err error) {
	return c.do(ctx, http.MethodGet, c.url+path, nil)
}

// do makes one request and reads the whole answer.
func (c *clients) do(ctx context.Context, method, to string, body []byte, header ...string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // its URL may carry a signature, which must not be printed
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// noise is a picture of 6 MiB, which is more than one part of an upload.
var noise = sync.OnceValue(func() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 1536, 1024))
	rand.NewChaCha8([32]byte{}).Read(img.Pix)
	return encode(img)
})

// picture is a small or large BMP that contains n. It has no compression and no checksum, so
// that its last pixels can be replaced.
func picture(n int64, large bool) []byte {
	b := encode(image.NewRGBA(image.Rect(0, 0, 4, 2)))
	if large {
		b = bytes.Clone(noise())
	}
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n))
	return b
}

func encode(img image.Image) []byte {
	var b bytes.Buffer
	if err := bmp.Encode(&b, img); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// ends counts how often each job ended, from the workers' logs.
type ends struct {
	mu    sync.Mutex // guards what follows
	count map[string]int
	said  map[string][]string // the log's lines about each job
}

func (e *ends) line(line []byte) {
	var rec struct {
		Msg   string `json:"msg"`
		JobID string `json:"job_id"`
		Ended bool   `json:"ended"`
	}
	if json.Unmarshal(line, &rec) != nil || rec.JobID == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said[rec.JobID] = append(e.said[rec.JobID], string(line))
	if rec.Ended {
		e.count[rec.JobID]++
	}
}

// stamp is the format of times in a story.
const stamp = "15:04:05.000"

var errLost = errors.New("promises were broken")
