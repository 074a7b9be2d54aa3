package httpapi

import (
	"net/http"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

// fetch opens an output by open, or the part of it that a request asks for, and evaluates the
// request's preconditions. The caller closes Body.
func fetch(w http.ResponseWriter, r *http.Request, open func(choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error)) (*job.Job, *job.Content, error) {
	j, c, err := open(func(j *job.Job) job.OpenOptions { return conditions(r, j.Output) })
	if err == nil {
		if err = precondition(r.Header, c); err != nil {
			c.Body.Close()
		}
		return j, c, err
	}
	if j == nil || job.KindOf(err) != job.Invalid {
		return j, nil, err
	}
	if preconditioned(r.Header) { // they come before the range, which is outside of the output
		j, c, err := open(func(*job.Job) job.OpenOptions { return job.OpenOptions{} })
		if err != nil {
			return j, nil, err
		}
		c.Body.Close()
		if err := precondition(r.Header, c); err != nil || c.NotModified {
			return j, c, err
		}
	}
	return j, nil, unsatisfiable(w, err, j)
}

// precondition evaluates the preconditions of a GET or HEAD against an output, in the order
// of RFC 9110, 13.2.2: If-Match, or else If-Unmodified-Since, whose failure is the error, a
// 412; then If-None-Match, or else If-Modified-Since, whose failure marks c as not modified.
func precondition(h http.Header, c *job.Content) error {
	etag := `"` + c.Tag + `"`
	modified := c.LastModified.Truncate(time.Second) // as the header has it
	unchanged := true
	if tags := h.Values("If-Match"); len(tags) > 0 {
		unchanged = matchesStrongly(tags, etag)
	} else if since, ok := dateOf(h, "If-Unmodified-Since"); ok {
		unchanged = !modified.After(since)
	}
	if !unchanged {
		return &statusError{job.Errorf(job.Conflict, "the output is not the one that If-Match or If-Unmodified-Since is about; fetch it without that header"),
			http.StatusPreconditionFailed, "precondition_failed"}
	}
	if tags := h.Values("If-None-Match"); len(tags) > 0 {
		c.NotModified = c.NotModified || matches(tags, etag)
	} else if since, ok := dateOf(h, "If-Modified-Since"); ok {
		c.NotModified = !modified.After(since)
	}
	return nil
}

// preconditioned reports whether a request has preconditions.
func preconditioned(h http.Header) bool {
	for _, name := range []string{"If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// dateOf reads a header that is one HTTP date. A precondition with anything else has no
// effect (RFC 9110, 13.1.3 and 13.1.4).
func dateOf(h http.Header, name string) (time.Time, bool) {
	values := h.Values(name)
	if len(values) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(values[0])
	return t, err == nil
}

// matchesStrongly implements If-Match with its strong comparison (RFC 9110, 13.1.1).
func matchesStrongly(header []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(header, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
