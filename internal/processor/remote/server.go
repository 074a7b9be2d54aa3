package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"claimcheck.example/internal/early"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/input"
	"claimcheck.example/internal/processor/params"
	"claimcheck.example/internal/processor/units"
)

// Server sends each image to an HTTP server by POST, with the detected content type, the
// params as JSON in the header X-Params, the job's id in X-Job-Id and the number of the
// attempt in X-Attempt. The server answers 200 or 201 with the result as its body. The
// header X-Billable-Units of the answer is the price.
//
// A 4xx status says that the image or the params are at fault, and fails the job. 408,
// 425, 429 and 5xx make the worker try again, after Retry-After. The server may send any
// of them before it has read the image. What a 400, 413, 415 or 422 says explains it to the
// client; the operator sees the beginning of every refusal.
//
// A redirect by 307 or 308 within the same host is followed, and a kept-alive connection
// that the server has closed is replaced at once, unless more than 4 MiB of the image have
// been sent. Other redirects are not followed.
type Server struct {
	url    string
	client *http.Client
	opts   Options
}

// Options are those of New. The zero value of a field is its default.
type Options struct {
	// Timeout bounds one exchange from beginning to end; default 5 minutes.
	Timeout time.Duration
	// MaxOutputBytes bounds the result; default 256 MiB.
	MaxOutputBytes int64
	// Logger receives problems that fail no job; none by default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.MaxOutputBytes <= 0 {
		o.MaxOutputBytes = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// New returns a Server for an address, an http or https URL.
func New(address string, opts Options) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("processor address is not a URL with a host") // it may hold a secret
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.DialContext = early.Answers(transport.DialContext)
	return &Server{url: address, opts: opts.withDefaults(), client: &http.Client{
		Transport: transport, CheckRedirect: checkRedirect,
	}}, nil
}

// maxRedirects bounds the redirects of one exchange.
const maxRedirects = 3

// checkRedirect follows the redirects that repeat the request at the same server, such as
// those to a path with a slash at its end, also from http to https.
func checkRedirect(r *http.Request, via []*http.Request) error {
	code, from := r.Response.StatusCode, via[len(via)-1].URL
	upgraded := from.Scheme == "http" && r.URL.Scheme == "https" && from.Port() == "" && r.URL.Port() == "" && from.Hostname() == r.URL.Hostname()
	same := from.Scheme == r.URL.Scheme && from.Host == r.URL.Host
	if code != http.StatusTemporaryRedirect && code != http.StatusPermanentRedirect || !same && !upgraded || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// Accepts implements job.Rules: the server decides.
func (s *Server) Accepts(string) bool { return true }

// CheckParams implements job.Rules: the server decides.
func (s *Server) CheckParams(_ job.Media, raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	_, err := params.Object("params", raw)
	return err
}

// Process implements job.Processor.
func (s *Server) Process(ctx context.Context, t job.Task) (*job.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, errTime)
	body := input.NewReader(ctx, t.Image)
	again := &replay{source: body}
	first, _ := again.body() // nothing is read yet
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, first)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("processor request: %w", err)
	}
	req.GetBody = again.body
	if t.Input.SizeBytes > 0 {
		req.ContentLength = t.Input.SizeBytes
	}
	req.Header.Set("Content-Type", t.Input.ContentType)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("X-Job-Id", t.ID.String())
	req.Header.Set("X-Attempt", strconv.Itoa(t.Attempt))
	if len(t.Params) > 0 {
		req.Header.Set("X-Params", ascii(t.Params))
	}
	resp, err := s.exchange(req, again)
	again.forget()
	if err != nil {
		defer cancel()
		return nil, s.failure(ctx, err, body.Err())
	}
	if err := refused(resp); err != nil {
		cancel()
		resp.Body.Close()
		return nil, err
	}
	contentType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(contentType, "image/") {
		contentType = "" // the server detects the type from the bytes
	}
	var billed func() float64
	if header := resp.Header.Get("X-Billable-Units"); header != "" {
		n := units.Billable(ctx, s.opts.Logger, t.ID, header)
		billed = func() float64 { return n }
	}
	return &job.Result{
		ContentType: contentType,
		Body:        &serverBody{s: s, ctx: ctx, cancel: cancel, body: resp.Body, left: s.opts.MaxOutputBytes},
		Units:       billed,
	}, nil
}

// exchange sends the request, and sends it again at once when a kept-alive connection
// breaks off without an answer: the server may have closed it when it was idle.
func (s *Server) exchange(req *http.Request, again *replay) (*http.Response, error) {
	for {
		reused := false
		trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
		resp, err := s.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if err == nil || !reused || req.Context().Err() != nil {
			return resp, err
		}
		body, spent := again.body()
		if spent != nil {
			return nil, err
		}
		req.Body = body
	}
}

// failure describes an exchange that broke off; reading is the error that ended reading
// the image.
func (s *Server) failure(ctx context.Context, err, reading error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errTime) {
			return job.Wrap(job.Unavailable, err, fmt.Sprintf("the processor did not finish within %s", s.opts.Timeout))
		}
		return cause
	}
	if reading != nil {
		return reading
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may hold a secret
	}
	if errors.Is(err, errSpent) {
		return job.Wrap(job.Misconfigured, fmt.Errorf("processor redirects, and %w: set PROCESSOR to the URL that it redirects to", err), noResult)
	}
	return job.Wrap(job.Unavailable, err, "the processor does not answer now")
}

// refused returns the error of an answer that is not a result, with its kind; nil when it is
// a result.
func refused(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		coding := strings.Join(resp.Header.Values("Content-Encoding"), ", ")
		if coding == "" || strings.EqualFold(coding, "identity") {
			return nil
		}
		return job.Wrap(job.Misconfigured, fmt.Errorf("processor answered with Content-Encoding %.40q, though asked for none: have it send its result as it is", coding), noResult)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The body is the connection itself; the context does not end its reads.
		return job.Wrap(job.Misconfigured, fmt.Errorf("processor answered %d: a result comes with status 200 or 201", resp.StatusCode), noResult)
	}
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the beginning is enough for the operator
	cause := fmt.Errorf("processor answered %d: %q", resp.StatusCode, head)
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		to.RawQuery, to.User = "", nil // which may hold secrets
		cause = fmt.Errorf("processor answered %d with the location %.200q: %q", resp.StatusCode, to, head)
	}
	message := fmt.Sprintf("the processor refused the image (status %d)", resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if why := reason(resp.Header.Get("Content-Type"), head); why != "" {
			message += ": " + why
		}
	}
	switch code := resp.StatusCode; {
	case code == http.StatusRequestEntityTooLarge:
		return job.Wrap(job.TooLarge, cause, message)
	case code == http.StatusUnsupportedMediaType:
		return job.Wrap(job.Unsupported, cause, message)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return &job.Error{Kind: job.Unavailable, Err: cause, Message: fmt.Sprintf("the processor cannot work now (status %d)", code),
			RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case code >= 400:
		return job.Wrap(job.Invalid, cause, message)
	}
	return job.Wrap(job.Misconfigured, fmt.Errorf("%w: a result comes with status 200 or 201", cause), noResult)
}

// retryAfter reads a Retry-After header, in seconds or as a date; zero when it is
// neither.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// noResult is the client's sentence for an empty answer.
const noResult = "the processor gave no result"

// errTime is the cause of a context whose time is up.
var errTime = errors.New("time is up")

// ascii returns compact JSON with all but ASCII escaped, as a header requires.
func ascii(raw json.RawMessage) string {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return "{}" // params are always JSON
	}
	var b strings.Builder
	for _, r := range compact.String() {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// serverBody is the answer's body, bounded in time and size.
type serverBody struct {
	s      *Server
	ctx    context.Context
	cancel context.CancelFunc
	body   io.ReadCloser
	left   int64
	some   bool // whether any of it has arrived
}

func (b *serverBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, job.Errorf(job.TooLarge, "the processor's result has more bytes than this service hands out")
	}
	b.some = b.some || n > 0
	switch {
	case err == io.EOF && !b.some:
		err = job.Wrap(job.Unknown, errors.New("processor answered with an empty body"), noResult)
	case err != nil && err != io.EOF:
		err = b.s.failure(b.ctx, err, nil)
	}
	return n, err
}

func (b *serverBody) Close() error {
	b.cancel()
	return b.body.Close()
}
