package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"claimcheck.example/internal/job"
)

// statuses is the one table from kinds to statuses. A failing backend is a 500 and not
// a 503, as the API promises; the answer has Retry-After if a retry helps.
var statuses = map[job.Kind]int{
	job.Unknown:         http.StatusInternalServerError,
	job.NotFound:        http.StatusNotFound,
	job.Conflict:        http.StatusConflict,
	job.Invalid:         http.StatusBadRequest,
	job.TooLarge:        http.StatusRequestEntityTooLarge,
	job.Unsupported:     http.StatusUnsupportedMediaType,
	job.Mismatch:        http.StatusUnprocessableEntity,
	job.Denied:          http.StatusForbidden,
	job.Unauthenticated: http.StatusUnauthorized,
	job.Exhausted:       http.StatusTooManyRequests,
	job.Timeout:         http.StatusRequestTimeout,
	job.Unavailable:     http.StatusInternalServerError,
	job.Misconfigured:   http.StatusInternalServerError,
	job.Corrupt:         http.StatusInternalServerError,
	job.Canceled:        499, // the client has gone; proxies use this status
	job.Upstream:        http.StatusUnprocessableEntity,
}

const typePrefix = "urn:claimcheck:problem:"

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Location string `json:"location,omitempty"`
	JobID    job.ID `json:"job_id,omitempty"`
	// Message repeats Detail under the key that clients read in a status, if a status cannot
	// be returned.
	Message string `json:"message,omitempty"`
	// Upload is the direct upload for an image that is too large for a submit.
	Upload *uploadView `json:"upload,omitempty"`
}

// statusError is an error with a special status in HTTP.
type statusError struct {
	err    error
	status int
	name   string // at the end of the problem's type
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// jobError is an error about a job that the caller knows or may know of.
type jobError struct {
	err error
	job *job.Job // nil for none
}

func (e *jobError) Error() string { return e.err.Error() }
func (e *jobError) Unwrap() error { return e.err }

// failing adds the requested job to an error, unless the caller may see no job there.
func failing(id job.ID, err error) error {
	if job.KindOf(err) == job.NotFound {
		return err
	}
	return &jobError{err, &job.Job{ID: id}}
}

const internalSentence = "something went wrong inside this service; its log has the cause under the request id in the X-Request-Id header"

// problem answers with err as a problem document, and records it for the log.
func (a *api) problem(w http.ResponseWriter, r *request, err error) {
	kind := job.KindOf(err)
	p := Problem{Status: statuses[kind], Detail: job.MessageOf(err)}
	p.Type = typePrefix + kind.String()
	if e, ok := errors.AsType[*statusError](err); ok {
		p.Status, p.Type = e.status, typePrefix+e.name
	}
	if p.Title = http.StatusText(p.Status); p.Title == "" {
		p.Title = "Client Closed Request"
	}
	if p.Detail == "" {
		p.Detail = internalSentence
	}
	if je, ok := errors.AsType[*jobError](err); ok && je.job != nil {
		p.JobID, p.Location, p.Upload = je.job.ID, r.jobURL(je.job.ID), viewUpload(r.base, je.job.Upload)
		w.Header().Set("Location", p.Location)
	}
	if p.Status >= 500 {
		p.Message = p.Detail
	}
	if wait := retryAfter(err); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
	}
	r.note = append(r.note, slog.String("kind", kind.String()), slog.Any("error", err))
	if wantsPage(r.Request) && (p.Status == http.StatusNotFound || p.Status == http.StatusUnauthorized) {
		a.problemPage(w, r, p)
		return
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

// retryAfter is the time until a retry, or zero if it is unknown. After a backend's failure it
// is short and random, because all clients see the failure at once.
func retryAfter(err error) time.Duration {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case !ok:
		return 0
	case e.RetryAfter == 0 && e.Kind == job.Unavailable:
		return 2*time.Second + rand.N(3*time.Second)
	}
	return e.RetryAfter
}

// writeJSON answers with v. It buffers: the documents of this API are small.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	writeBody(w, status, contentType, encodeJSON(v))
}

// encodeJSON returns v as one line of JSON.
func encodeJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types are ours and always marshal
	}
	return append(body, '\n')
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	w.WriteHeader(status)
	w.Write(body) // a client that is gone is seen by the server itself
}

// seconds rounds up to whole seconds, as Retry-After has them; never zero.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
