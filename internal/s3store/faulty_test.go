package s3store_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/s3store"
)

// hasty takes the waits out of a client's retries.
func hasty(o *s3.Options) { o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, time.Millisecond) }

// wire is an HTTP client in which a test decides what becomes of each request.
type wire struct {
	// next is where requests go that act lets pass.
	next s3.HTTPClient
	// act answers a request itself, or returns nil, nil to let it pass.
	act func(*http.Request) (*http.Response, error)
	// lose says whether the answer to a request that passed is lost.
	lose func(*http.Request) bool

	mu   sync.Mutex
	seen []string // the methods of all requests
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.seen = append(w.seen, r.Method)
	w.mu.Unlock()
	if w.act != nil {
		if resp, err := w.act(r); resp != nil || err != nil {
			return resp, err
		}
	}
	resp, err := w.next.Do(r)
	if err == nil && w.lose != nil && w.lose(r) {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

// use puts the wire into a client.
func (w *wire) use(o *s3.Options) {
	w.next = o.HTTPClient
	o.HTTPClient = w
}

// nth returns a function that says yes to the first n requests for which match says yes.
func nth(n int, match func(*http.Request) bool) func(*http.Request) bool {
	var mu sync.Mutex
	return func(r *http.Request) bool {
		if !match(r) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		n--
		return n >= 0
	}
}

// answer returns an answer of S3's, an error's if code is not empty.
func answer(r *http.Request, status int, code string) *http.Response {
	body := ""
	if code != "" && r.Method != http.MethodHead {
		body = `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>refused</Message></Error>`
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// stubbed returns a store whose requests are all answered by act.
func stubbed(act func(*http.Request) (*http.Response, error), opts s3store.Options) *s3store.Store {
	client := s3.New(s3.Options{
		Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, BaseEndpoint: aws.String("http://s3.invalid"),
		HTTPClient: &wire{act: act},
	}, s3store.ClientOptions, hasty)
	return s3store.New(client, "bucket", opts)
}

// faulty returns a store on the environment's S3 behind a wire.
func faulty(env *awstest.Env, w *wire, opts s3store.Options) *s3store.Store {
	return s3store.New(newClient(env, hasty, w.use), env.Bucket, opts)
}
