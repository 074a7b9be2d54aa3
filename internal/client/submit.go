package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Image is an image to submit.
type Image struct {
	// Source is a URL from which the server fetches the image, in the place of Content, Size and
	// ContentType.
	Source      string
	Content     io.ReaderAt
	Size        int64  // bytes
	ContentType string // such as image/png
	// Params is a JSON object for the processor; empty for none.
	Params string
	// Webhook is the URL that the end of the job is posted to; empty for none.
	Webhook string
	// CancelAfter is the time after which the job is canceled unless it is over, in whole
	// seconds; zero for none.
	CancelAfter time.Duration
	// Key is the idempotency key, 1 to 255 characters: the same key of the same caller names
	// the same job as long as the job is kept.
	Key string
	// Progress receives the number of bytes of the image that this try has sent; nil for
	// none.
	Progress func(sent int64)
}

// Upload is the server's offer for an image that is too large for a submit.
type Upload struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// accepted is the answer to a submit.
type accepted struct {
	JobID    string  `json:"job_id"`
	Location string  `json:"location"`
	Upload   *Upload `json:"upload"`
}

// Check identifies a submitted job. This client uses the identifier, at its own server:
// the URL is for people, and may have another name for the server.
type Check struct{ ID, URL string }

// Submit submits an image and returns its check. It puts an image that is too large for a
// submit directly into storage, where the server offers that; when that fails, it returns
// the check with the error.
func (c *Client) Submit(ctx context.Context, img Image) (Check, error) {
	if img.Params != "" && !json.Valid([]byte(img.Params)) {
		return Check{}, fmt.Errorf("params is not JSON: %s", img.Params)
	}
	header := map[string]string{"Idempotency-Key": img.Key}
	if img.Source == "" {
		header["Content-Type"] = img.ContentType
	}
	if img.CancelAfter != 0 {
		header["Cancel-After"] = strconv.FormatInt(int64(img.CancelAfter/time.Second), 10)
	}
	u := c.server + "/jobs"
	q := url.Values{}
	for name, value := range map[string]string{"params": img.Params, "webhook": img.Webhook, "source": img.Source} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	var a accepted
	_, err := c.do(ctx, request{
		method: http.MethodPost, url: u, header: header,
		body: img.reader, size: img.Size, into: &a, good: []int{http.StatusOK, http.StatusCreated, http.StatusAccepted},
	})
	if p, ok := errors.AsType[*Problem](err); ok && p.Upload != nil {
		a = accepted{p.JobID, p.Location, p.Upload}
	} else if err != nil {
		return Check{}, err
	}
	if a.JobID == "" || a.Location == "" {
		return Check{}, errors.New(strange)
	}
	check := Check{a.JobID, a.Location}
	if a.Upload != nil { // also of a repeat under the key of a job that waits for its image
		return check, c.direct(ctx, img, check.ID, a.Upload)
	}
	return check, nil
}

// direct uploads the image as offered and commits the job.
func (c *Client) direct(ctx context.Context, img Image, id string, to *Upload) error {
	_, err := c.do(ctx, request{
		method: to.Method, url: to.URL, header: to.Headers, body: img.reader, size: img.Size,
		// 412: an earlier try has stored it, and its answer was lost.
		good: []int{http.StatusOK, http.StatusPreconditionFailed},
	})
	if p, ok := errors.AsType[*Problem](err); ok {
		return fmt.Errorf("storage refused the image with status %d; submit it again", p.Status)
	}
	if err != nil {
		return fmt.Errorf("the upload to storage failed: %w", err)
	}
	_, err = c.do(ctx, request{
		method: http.MethodPost, url: c.jobURL(id) + "/commit", good: []int{http.StatusOK, http.StatusCreated, http.StatusAccepted},
	})
	return err
}

// reader reads the image from its beginning.
func (img Image) reader() io.Reader {
	r := io.NewSectionReader(img.Content, 0, img.Size)
	if img.Progress == nil {
		return r
	}
	return &counter{r: r, tell: img.Progress}
}

// counter counts the bytes that are read through it.
type counter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}
