package outbound

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"
)

// Answer is what a server says to a Post. Nothing is read of its body.
type Answer struct {
	Status int
	// RetryAfter is how long the server asks to wait before another try; zero: it does not.
	RetryAfter time.Duration
}

// Post sends body to a URL, within 15 seconds, with these headers beside its own. It
// follows no redirect: that is an Answer like any other. An error has the kind Invalid when
// the URL or its address is not allowed, Canceled when ctx has ended, and otherwise
// Upstream; its sentence says what the other side did.
func (c *Client) Post(ctx context.Context, address string, header http.Header, body []byte) (Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.postTime, upstream("the server sends no answer within %s", c.postTime))
	defer cancel()
	u, err := c.parse(address)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, errNotAllowed
	}
	req.GetBody = nil
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	c.setHeaders(req.Header)
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, explain(ctx, err)
	}
	res.Body.Close()
	return Answer{Status: res.StatusCode, RetryAfter: retryAfter(res.Header.Get("Retry-After"), time.Now())}, nil
}

// retryAfter reads a Retry-After, in seconds or as a date; zero for none of both.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
