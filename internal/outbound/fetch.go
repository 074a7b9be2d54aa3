package outbound

import (
	"context"
	"io"
	"net/http"
	"time"

	"claimcheck.example/internal/job"
)

// Fetch gets what is at a URL. It follows up to three redirects, each of which is judged
// like the first URL. size is the announced length of the body in bytes, or -1.
//
// The caller reads the body under a bound of its own, and closes it. The body ends with an
// error of kind Upstream when it comes too slowly, breaks off before its announced end, or
// does not match the answer's Content-Digest or Repr-Digest.
// Fetch, body and all, ends with ctx.
func (c *Client) Fetch(ctx context.Context, address string) (content io.ReadCloser, size int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	whole := time.AfterFunc(c.fetchTime, func() { cancel(upstream("the server takes longer than %s", c.fetchTime)) })
	head := time.AfterFunc(c.headerTime, func() { cancel(upstream("the server sends no answer within %s", c.headerTime)) })
	b := &fetched{ctx: ctx, cancel: cancel, whole: whole, idle: c.idleTime}
	res, err := c.get(ctx, address)
	if err == nil && !head.Stop() {
		res.Body.Close()
		err = context.Cause(ctx)
	}
	head.Stop()
	if err != nil {
		err = explain(ctx, err)
		b.stop()
		return nil, 0, err
	}
	if b.ReadCloser, err = verify(res); err != nil {
		res.Body.Close()
		b.stop()
		return nil, 0, err
	}
	return b, res.ContentLength, nil
}

// get returns an answer of status 200.
func (c *Client) get(ctx context.Context, address string) (*http.Response, error) {
	u, err := c.parse(address)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errNotAllowed
	}
	c.setHeaders(req.Header)
	client := *c.http
	client.CheckRedirect = c.checkRedirect
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	switch coding := res.Header.Get("Content-Encoding"); {
	case res.StatusCode != http.StatusOK:
		err = upstream("the server answers %s", status(res.StatusCode))
	case coding != "" && coding != "identity":
		err = upstream("the server answers with a Content-Encoding, which was not asked for")
	default:
		return res, nil
	}
	res.Body.Close()
	return nil, err
}

func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return upstream("the server redirects more than %d times", maxRedirects)
	}
	req.Header.Del("Referer") // it has the former URL, which may hold a secret
	_, err := c.parse(req.URL.String())
	return err
}

func (c *Client) setHeaders(h http.Header) {
	h.Set("User-Agent", c.userAgent)
	h.Set("Accept-Encoding", "identity")
}

// fetched is the body of an answer, with bounds of time.
type fetched struct {
	io.ReadCloser
	ctx    context.Context // of the whole Fetch
	cancel context.CancelCauseFunc
	whole  *time.Timer
	idle   time.Duration
}

func (b *fetched) Read(p []byte) (int, error) {
	idle := time.AfterFunc(b.idle, func() { b.cancel(upstream("the server sends nothing for %s", b.idle)) })
	n, err := b.ReadCloser.Read(p)
	idle.Stop()
	if err == nil || err == io.EOF && b.ctx.Err() == nil {
		return n, err
	}
	// An end that comes once the context has ended is none: net/http closes the connection,
	// and over TLS a server can see that first and end its chunked body in good order.
	return n, explain(b.ctx, err)
}

func (b *fetched) Close() error {
	b.stop()
	return b.ReadCloser.Close()
}

func (b *fetched) stop() {
	b.whole.Stop()
	b.cancel(job.Errorf(job.Canceled, "the body was closed"))
}
