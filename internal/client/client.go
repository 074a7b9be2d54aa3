// Package client uses the public API of a Claimcheck server and nothing else. It repeats
// every call while that may help and is safe; the server's problem comes back as a
// [*Problem].
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxTries bounds the tries of a request; with the waits in between they cover an outage
// of some 8 s.
const maxTries = 6

// firstTries is how often the first request tries to connect. A server that never answered
// is more likely to be a wrong address than one that restarts, so the user learns it within
// some 2 s.
const firstTries = 3

// maxAnswer bounds a JSON answer, in bytes.
const maxAnswer = 4 << 20

// Client is a client of one server. Safe for concurrent use.
type Client struct {
	server string // without a trailing slash
	header string // the header of the token
	token  string
	http   *http.Client
	// answered is true once the server has answered anything.
	answered atomic.Bool
}

// New returns a client of the server at this URL. The token, if any, goes only to that
// server, in the header with this name.
func New(server, header, token string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not a server's URL such as https://jobs.example.com", server)
	}
	if header == "" || strings.Trim(strings.ToLower(header), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return nil, fmt.Errorf("%q is not the name of a header such as Authorization", header)
	}
	if len(token) > 7 && strings.EqualFold(token[:7], "Bearer ") {
		token = strings.TrimSpace(token[7:])
	}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the token contains characters that no token can have; copy the whole token again")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	transport.ResponseHeaderTimeout = longestWait + 20*time.Second // from the end of the request
	return &Client{
		server: strings.TrimSuffix(server, "/"), header: header, token: token,
		// Do not follow redirects with a token or an image.
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Problem is an error answer: its problem document (RFC 9457), or a replacement when it
// has none.
type Problem struct {
	Status   int     `json:"status"` // of HTTP
	Type     string  `json:"type"`
	Detail   string  `json:"detail"`
	JobID    string  `json:"job_id"`   // of the job, if there is one
	Location string  `json:"location"` // of the job, too
	Upload   *Upload `json:"upload"`
}

// Error returns the sentence for the user.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("the server answers with status %d %s", p.Status, http.StatusText(p.Status))
	}
	return p.Detail
}

// request is one call with all its tries.
type request struct {
	method, url string
	header      map[string]string
	body        func() io.Reader // nil for none
	size        int64
	// into receives a JSON answer with one of the good statuses.
	into any
	good []int
	// goodAgain are statuses that show the effect of an earlier try.
	goodAgain []int
}

// do makes the request, repeats it while its failure may be temporary, and returns the
// status of the good answer. A change on the server is safe to repeat: it has an
// idempotency key, or the same request twice has the same result.
func (c *Client) do(ctx context.Context, r request) (int, error) {
	for try := 1; ; try++ {
		status, wait, err := c.once(ctx, r)
		if err == nil {
			return status, nil
		}
		p, isProblem := errors.AsType[*Problem](err)
		if isProblem && try > 1 && slices.Contains(r.goodAgain, p.Status) {
			return p.Status, nil
		}
		again := !isProblem || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout || p.Status >= 500
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if !again || try >= c.tries(err) {
			return status, err
		}
		if err := pause(ctx, max(wait, backoff(try))); err != nil {
			return 0, err
		}
	}
}

// tries is how often a request is made that fails with err.
func (c *Client) tries(err error) int {
	if _, ok := errors.AsType[*Unreachable](err); ok && !c.answered.Load() {
		return firstTries
	}
	return maxTries
}

// backoff is the wait after a try, counted from 1: exponential up to 4 s, with jitter.
func backoff(try int) time.Duration {
	most := min(500*time.Millisecond<<(try-1), 4*time.Second)
	return most/2 + rand.N(most/2)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// once makes one try. Its errors never contain a URL, which may be a secret.
func (c *Client) once(ctx context.Context, r request) (status int, wait time.Duration, err error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, 0, fmt.Errorf("the answer of %s broke off: %w", resp.Request.URL.Host, err)
	}
	if !slices.Contains(r.good, resp.StatusCode) {
		return resp.StatusCode, retryAfter(resp), problemOf(resp, raw)
	}
	if r.into != nil && json.Unmarshal(raw, r.into) != nil {
		return 0, 0, &Problem{Status: resp.StatusCode, Detail: strange}
	}
	return resp.StatusCode, 0, nil
}

// strange is the sentence for an answer that no Claimcheck server gives.
const strange = "the server answers, but not as a Claimcheck server does; check its URL"

func retryAfter(resp *http.Response) time.Duration {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return time.Duration(min(max(seconds, 0), 60)) * time.Second
}

func problemOf(resp *http.Response, raw []byte) *Problem {
	p := &Problem{}
	if err := json.Unmarshal(raw, p); err != nil {
		p = &Problem{} // from an intermediary, such as a proxy
	}
	p.Status = resp.StatusCode
	if to := resp.Header.Get("Location"); p.Detail == "" && p.Status/100 == 3 && to != "" {
		p.Detail = "the server redirects to " + to + "; use that URL as the server"
	}
	return p
}

// send makes the request and returns the answer with its body unread.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil && r.size > 0 {
		body = r.body()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, errors.New("the server returned an invalid URL")
	}
	if body != nil {
		req.ContentLength = r.size
	}
	for name, value := range r.header {
		if !strings.EqualFold(name, "Content-Length") {
			req.Header.Set(name, value)
		}
	}
	if c.token != "" && c.own(r.url) {
		req.Header.Set(c.header, "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		err = fmt.Errorf("%s does not answer: %w", req.URL.Host, err)
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && c.own(r.url) {
			err = &Unreachable{err}
		}
		return nil, err
	}
	if c.own(r.url) {
		c.answered.Store(true)
	}
	return resp, nil
}

// Reachable returns an [*Unreachable] when no connection to the server is possible.
func (c *Client) Reachable(ctx context.Context) error {
	for try := 1; ; try++ {
		_, _, err := c.once(ctx, request{method: http.MethodGet, url: c.server + "/health", good: []int{http.StatusOK}})
		if _, ok := errors.AsType[*Unreachable](err); !ok || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if try >= c.tries(err) {
			return err
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

// Unreachable means that no connection to the client's server was possible.
type Unreachable struct{ err error }

func (u *Unreachable) Error() string { return u.err.Error() }
func (u *Unreachable) Unwrap() error { return u.err }

// own reports whether a URL is of this client's server.
func (c *Client) own(u string) bool { return strings.HasPrefix(u, c.server+"/") }
