package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/google/uuid"
)

// Job is a job as the API returns it.
type Job struct {
	ID        string          `json:"job_id"`
	Status    string          `json:"status"` // pending, processing, completed, failed or canceled
	Message   string          `json:"message,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	Attempts  int             `json:"attempts"`
	Location  string          `json:"location,omitempty"` // of the output, once completed
	Input     Media           `json:"input"`
	Output    *Media          `json:"output,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Progress  *Progress       `json:"progress,omitempty"`
	Usage     *JobUsage       `json:"usage,omitempty"`  // once it is over
	Upload    *Upload         `json:"upload,omitempty"` // while the job waits for its image
	// URL is the job URL.
	URL string `json:"url"`
}

// Media is an image, or another result of a job.
type Media struct {
	ContentType string `json:"content_type"`
	SizeBytes   int64  `json:"size_bytes"`
	Width       int    `json:"width,omitempty"`  // pixels; zero when unknown
	Height      int    `json:"height,omitempty"` // pixels; zero when unknown
	SHA256      string `json:"sha256,omitempty"` // hexadecimal
}

// Progress is the progress of a job.
type Progress struct {
	Fraction float64 `json:"fraction"` // 0 to 1
	Note     string  `json:"note,omitempty"`
}

// Failed reports whether the job is over without an output.
func (j *Job) Failed() bool { return j.Over() && j.Status != "completed" }

// Over reports whether the job has ended.
func (j *Job) Over() bool {
	return j.Status == "completed" || j.Status == "failed" || j.Status == "canceled"
}

func (c *Client) jobURL(id string) string { return c.server + "/jobs/" + url.PathEscape(id) }

// find returns the URL of a job on this server, given its URL or identifier, and a
// function for its errors. A server's job URLs have its public name, which may differ
// from the one that this client uses: so a job URL with another name is requested by its
// identifier.
func (c *Client) find(job string) (u string, tell func(error) error, err error) {
	job = strings.TrimSuffix(job, "/output")
	tell = func(err error) error { return err }
	i := strings.LastIndexByte(job, '/')
	switch {
	case strings.HasPrefix(job, c.server+"/jobs/"):
		return job, tell, nil
	case i >= 0:
		if uuid.Validate(job[i+1:]) != nil || !strings.HasSuffix(job[:i], "/jobs") {
			return "", nil, fmt.Errorf("%s is not a job of %s; name the server of the job", job, c.server)
		}
		return c.jobURL(job[i+1:]), func(err error) error {
			return fmt.Errorf("%w (asked %s; name the server if the job is on another)", err, c.server)
		}, nil
	case job == "":
		return "", nil, errors.New("name a job by its URL or its identifier")
	}
	return c.jobURL(job), tell, nil
}

// longestWait bounds the time that one request waits for the end of a job.
const longestWait = 50 * time.Second

// Status returns a job. With wait it returns when the job is over.
func (c *Client) Status(ctx context.Context, job string, wait bool) (*Job, error) {
	u, tell, err := c.find(job)
	if err != nil {
		return nil, err
	}
	r := request{method: http.MethodGet, url: u, good: []int{http.StatusOK, http.StatusCreated}}
	if wait {
		r.header = map[string]string{"Prefer": fmt.Sprintf("wait=%d", int(longestWait.Seconds()))}
	}
	for try := 1; ; try++ {
		j := &Job{}
		r.into = j
		begin := time.Now()
		if _, err := c.do(ctx, r); err != nil {
			return nil, tell(err)
		}
		j.URL = u
		if !wait || j.Over() {
			return j, nil
		}
		// A server with too many waiting callers answers at once.
		if time.Since(begin) < longestWait/2 {
			if err := pause(ctx, backoff(min(try, 4))); err != nil {
				return nil, err
			}
		}
	}
}

// Result is an output that is being received. The caller closes Body; reading to its end
// fails when the bytes do not match the server's digest.
type Result struct {
	Body        io.ReadCloser
	ContentType string
	Size        int64  // bytes; negative when unknown
	Name        string // suggested by the server, without folders; may be empty
}

// Output opens the output of a completed job.
func (c *Client) Output(ctx context.Context, job string) (*Result, error) {
	u, tell, err := c.find(job)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		resp, err := c.send(ctx, request{method: http.MethodGet, url: u + "/output"})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var wait time.Duration
		if err == nil {
			if resp.StatusCode == http.StatusOK {
				return resultOf(resp), nil
			}
			raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
			resp.Body.Close()
			err, wait = problemOf(resp, raw), retryAfter(resp)
			if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
				return nil, tell(err)
			}
		}
		if try >= c.tries(err) {
			return nil, tell(err)
		}
		if err := pause(ctx, max(wait, backoff(try))); err != nil {
			return nil, err
		}
	}
}

func resultOf(resp *http.Response) *Result {
	r := &Result{Body: resp.Body, ContentType: resp.Header.Get("Content-Type"), Size: resp.ContentLength}
	if want := digestOf(resp.Header); want != nil {
		r.Body = &verified{ReadCloser: resp.Body, sum: sha256.New(), want: want}
	}
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		name := params["filename"]
		r.Name = name[strings.LastIndexAny(name, `/\`)+1:]
	}
	return r
}

// digestOf returns the SHA-256 in Repr-Digest (RFC 9530), or nil.
func digestOf(h http.Header) []byte {
	digests, err := httpsfv.UnmarshalDictionary(h.Values("Repr-Digest"))
	if err != nil {
		return nil
	}
	member, _ := digests.Get("sha-256")
	item, _ := member.(httpsfv.Item)
	sum, _ := item.Value.([]byte)
	return sum
}

// verified is an output with a known SHA-256.
type verified struct {
	io.ReadCloser
	sum  hash.Hash
	want []byte
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF && !bytes.Equal(v.sum.Sum(nil), v.want) {
		err = errors.New("its SHA-256 differs from its Repr-Digest")
	}
	return n, err
}

// Cancel cancels a job that is not over, and returns it. It refuses the URLs that Delete
// refuses.
func (c *Client) Cancel(ctx context.Context, job string) (*Job, error) {
	u, err := c.findOwn(job, "cancel")
	if err != nil {
		return nil, err
	}
	j := &Job{}
	if _, err := c.do(ctx, request{method: http.MethodPost, url: u + "/cancel", good: []int{http.StatusAccepted}, into: j}); err != nil {
		return nil, err
	}
	j.URL = u
	return j, nil
}

// findOwn is find without the URLs of another server, whose jobs may have the same
// identifiers.
func (c *Client) findOwn(job, verb string) (u string, err error) {
	u, _, err = c.find(job)
	if err == nil && strings.Contains(job, "/") && !c.own(job) {
		err = fmt.Errorf("it is not said to be a job of %s; to %s it there, give its identifier alone: %s", c.server, verb, u[strings.LastIndexByte(u, '/')+1:])
	}
	return u, err
}

// Delete deletes a job with its image and output, in any state. It refuses a URL of
// another server, whose jobs may have the same identifiers.
func (c *Client) Delete(ctx context.Context, job string) error {
	u, err := c.findOwn(job, "delete")
	if err != nil {
		return err
	}
	_, err = c.do(ctx, request{method: http.MethodDelete, url: u, good: []int{http.StatusNoContent}, goodAgain: []int{http.StatusNotFound}})
	return err
}

// Usage is the usage of an owner.
type Usage struct {
	Owner string     `json:"owner"`
	From  string     `json:"from"` // yyyy-mm-dd, UTC
	To    string     `json:"to"`   // including the last day
	Days  []UsageDay `json:"days"`
	Total UsageDay   `json:"total"`
}

// UsageDay is the usage of one day (UTC), or the total.
type UsageDay struct {
	Day               string  `json:"day,omitempty"`
	Jobs              int     `json:"jobs"`
	Completed         int     `json:"completed"`
	Failed            int     `json:"failed"`
	Canceled          int     `json:"canceled"`
	Deleted           int     `json:"deleted"` // before they ended
	BytesIn           int64   `json:"bytes_in"`
	BytesOut          int64   `json:"bytes_out"`
	Pixels            int64   `json:"pixels"`
	ProcessingSeconds float64 `json:"processing_seconds"`
	Units             float64 `json:"units"`
	// Requests are those of the jobs but the Uncounted.
	Requests      Requests  `json:"requests"`
	Uncounted     int       `json:"uncounted"`
	EstimatedCost *Estimate `json:"estimated_cost,omitempty"`
}

// Requests are requests that a provider charges for.
type Requests struct {
	StoreWrites int `json:"store_writes"`
	StoreReads  int `json:"store_reads"`
	Queue       int `json:"queue"`
}

// Estimate is an estimated cost, by the prices of a date.
type Estimate struct {
	USD    float64 `json:"usd"`
	Prices string  `json:"prices"`
}

// JobUsage is the usage of one job. Requests and EstimatedCost are nil where they are not
// known.
type JobUsage struct {
	ProcessingSeconds float64   `json:"processing_seconds"`
	BytesIn           int64     `json:"bytes_in"`
	BytesOut          int64     `json:"bytes_out"`
	Pixels            int64     `json:"pixels"`
	Units             float64   `json:"units,omitempty"`
	Requests          *Requests `json:"requests"`
	EstimatedCost     *Estimate `json:"estimated_cost"`
}

// Usage returns the usage of the caller, or of another owner where the policies allow
// that, on the days from..to, written yyyy-mm-dd. Empty means the server's default.
func (c *Client) Usage(ctx context.Context, owner, from, to string) (*Usage, error) {
	q := url.Values{}
	for name, value := range map[string]string{"owner": owner, "from": from, "to": to} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var u Usage
	_, err := c.do(ctx, request{method: http.MethodGet, url: c.server + "/usage?" + q.Encode(), good: []int{http.StatusOK}, into: &u})
	if err != nil {
		return nil, err
	}
	return &u, nil
}
