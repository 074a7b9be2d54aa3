package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"claimcheck.example/internal/job"
)

// Post sends a body to an address that a client of the service names, and returns the
// status of the answer and the pause that the receiver asks for. It follows no redirect,
// reads no answer to its end, and returns within 15 seconds. The sentence of its error says
// why there is no answer, without the URL.
type Post func(ctx context.Context, address string, header http.Header, body []byte) (status int, retryAfter time.Duration, err error)

// Result is what became of one try.
type Result struct {
	// Status is the HTTP status of the answer; zero when there was none.
	Status int
	// Reason says why the try failed; empty for one that did not. It holds nothing of the URL.
	Reason string
	// RetryAfter is the pause that the receiver asks for; zero for none.
	RetryAfter time.Duration
	// Took is how long the try took.
	Took time.Duration
}

// Delivered reports whether the receiver has accepted the event.
func (r Result) Delivered() bool { return r.Status/100 == 2 }

// Refused reports whether the receiver wants no more of the event.
func (r Result) Refused() bool { return r.Status == http.StatusGone }

// Try makes one try to deliver the event of a job that is over.
func Try(ctx context.Context, post Post, keys *Keys, j *job.Job, body []byte, now func() time.Time) Result {
	id, begun := ID(j), now()
	header := http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(begun.Unix(), 10)},
		"Webhook-Signature": {keys.Sign(j.Owner, id, begun, body)},
	}
	status, pause, err := post(ctx, j.Webhook, header, body)
	r := Result{Status: status, RetryAfter: pause, Took: max(0, now().Sub(begun))}
	switch {
	case err != nil:
		if r.Reason = job.MessageOf(err); r.Reason == "" {
			r.Reason = "the receiver does not answer"
		}
	case r.Delivered():
	case status/100 == 3:
		r.Reason = fmt.Sprintf("the receiver answers with status %d, and a webhook follows no redirect", status)
	default:
		r.Reason = fmt.Sprintf("the receiver answers with status %d", status)
	}
	return r
}
