package apptest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

// Backend is a proxy in front of S3 and SQS that fails the calls that a test selects.
type Backend struct {
	url string

	mu   sync.Mutex // guards rule
	rule func(Request) Fault
}

// Request is a request to S3 or SQS as a rule sees it.
type Request struct {
	Method string // HTTP method of an S3 request, or the action of an SQS one
	Key    string // the object's key; empty for SQS and for the bucket itself
	SQS    bool
}

// Fault is what a rule does to a request.
type Fault int

const (
	// Pass lets the request through.
	Pass Fault = iota
	// Refuse answers 500 without doing anything.
	Refuse
	// LoseAnswer lets the request take effect, then cuts the connection.
	LoseAnswer
	// Deny answers 403 AccessDenied.
	Deny
	// SlowDown answers 503 SlowDown, as S3 does to clients that are too fast.
	SlowDown
	// Skewed answers 403 RequestTimeTooSkewed, as S3 does to whose clock is wrong.
	Skewed
	// CutAnswer passes on the first mebibyte of the answer, then cuts the connection.
	CutAnswer
)

// Fail sets the rule; nil passes everything.
func (b *Backend) Fail(rule func(Request) Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rule = rule
}

func (b *Backend) decide(r Request) Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rule == nil {
		return Pass
	}
	return b.rule(r)
}

func newBackend(t *testing.T, env *awstest.Env) *Backend {
	t.Helper()
	proxy := func(to string) *httputil.ReverseProxy {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		return &httputil.ReverseProxy{
			// The Host stays as it was signed.
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u); p.Out.Host = p.In.Host },
			// A client that gives up is not news.
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		}
	}
	s3, sqs := proxy(env.S3URL), proxy(env.SQSURL)
	b := &Backend{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := Request{Method: r.Method}
		next := s3
		if action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); ok {
			req.Method, req.SQS, next = action, true, sqs
		} else {
			_, req.Key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		}
		switch b.decide(req) {
		case Refuse:
			w.WriteHeader(http.StatusInternalServerError)
		case Deny:
			refuse(w, http.StatusForbidden, "AccessDenied")
		case SlowDown:
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
		case Skewed:
			refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
		case LoseAnswer:
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case CutAnswer:
			next.ServeHTTP(&cutting{w, 1 << 20}, r)
		default:
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// refuse answers with an error as S3 words it.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
}

// cutting lets some bytes of an answer through, and no more.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}
