// Package apptest runs the whole service in a test: the handler behind a real HTTP
// server, a worker when it is wanted, and between them and the S3 and SQS wire servers a
// proxy that can fail requests.
package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/awsclient"
	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi/apitest"
	"claimcheck.example/internal/test/program"
)

// System is one running service with a bucket and a queue of its own.
type System struct {
	*awstest.Env
	// URL is the API's, without a final slash.
	URL string
	// Backend is a proxy between the service and its bucket and queue.
	Backend *Backend
	Config  *config.Config
	log     *slog.Logger
	worker  func(*middleware.Stack) error
}

// Watch has middleware see the calls that API and workers make to S3 and SQS. Nil looks
// at none.
type Watch struct{ API, Worker func(*middleware.Stack) error }

// Start starts the API; vars are "KEY=value" settings beside those of bucket and queue.
// The engine of the built-in processor is the embedded one, whatever is installed.
// No worker runs yet. An answer that is not as openapi.yaml describes it fails the test.
func Start(t *testing.T, vars ...string) *System {
	t.Helper()
	return StartWatched(t, Watch{}, vars...)
}

// StartWatched is Start with a watch on the requests.
func StartWatched(t *testing.T, watch Watch, vars ...string) *System {
	t.Helper()
	env := awstest.Start(t)
	c := load(t, env, vars)
	var out io.Writer = io.Discard
	if testing.Verbose() {
		out = os.Stderr
	}
	s := &System{Env: env, Config: c, worker: watch.Worker, Backend: newBackend(t, env), log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: c.LogLevel}))}
	s.URL = s.serve(t, c, watch.API)
	return s
}

// StartBeside starts another API over the same bucket and queue, with settings of its
// own, and returns its URL.
func (s *System) StartBeside(t *testing.T, vars ...string) (url string) {
	t.Helper()
	return s.serve(t, load(t, s.Env, vars), nil)
}

func load(t *testing.T, env *awstest.Env, vars []string) *config.Config {
	t.Helper()
	program.NeedProcessor(t, vars)
	vars = append([]string{"S3_BUCKET=" + env.Bucket, "SQS_QUEUE_URL=" + env.QueueURL, "LEASE=15s", "SHUTDOWN_GRACE=2s", "IMAGING=embedded"}, vars...)
	c, err := config.Load(config.Worker, vars)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Issuers) == 0 {
		c.AllowAnonymous = true
	}
	return c
}

func (s *System) serve(t *testing.T, c *config.Config, watch func(*middleware.Stack) error) (url string) {
	t.Helper()
	api, err := s.process(t, c, watch).API()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(apitest.Handler(t, api.Handler))
	t.Cleanup(func() { server.Close(); api.Close() })
	return server.URL
}

func (s *System) process(t *testing.T, c *config.Config, watch func(*middleware.Stack) error) *app.Process {
	t.Helper()
	p, err := app.New(t.Context(), c, s.aws(watch), app.Quiet(s.log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// aws returns the SDK's settings, behind the backend's proxy.
func (s *System) aws(watch func(*middleware.Stack) error) aws.Config {
	cfg := s.Env.Servers.Config()
	cfg.Retryer = awsclient.Impatient
	cfg.BaseEndpoint = &s.Backend.url
	if watch != nil {
		cfg.APIOptions = append(cfg.APIOptions, watch)
	}
	return cfg
}

// StartWorker runs a worker until the returned function is called, or the test ends.
func (s *System) StartWorker(t *testing.T) (stop func()) {
	t.Helper()
	w, err := s.process(t, s.Config, s.worker).Worker()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// Photograph returns a JPEG of a camera's kind, with an EXIF orientation.
func Photograph(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(awstest.Module("internal/imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Form returns a multipart form with the image and the given other fields.
func Form(t testing.TB, image []byte, fields ...string) (contentType string, body []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	part, err := w.CreateFormFile("image", "picture")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(image); err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.Bytes()
}

// Answer is an HTTP answer, read to its end.
type Answer struct {
	*http.Response
	Bytes []byte
}

// JSON returns the body as an object.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.Bytes, &m); err != nil {
		t.Fatalf("body %q is not JSON: %v", a.Bytes, err)
	}
	return m
}

// Do sends a request; header alternates names and values.
func Do(t testing.TB, method, url string, body io.Reader, header ...string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if n := req.Header.Get("Content-Length"); n != "" { // net/http takes it from the field alone
		if req.ContentLength, err = strconv.ParseInt(n, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return Answer{resp, b}
}

// Submit posts an image as curl -F image=@file does.
func (s *System) Submit(t testing.TB, image []byte, fields ...string) Answer {
	t.Helper()
	ct, body := Form(t, image, fields...)
	return Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
}

// Get fetches a URL.
func Get(t testing.TB, url string, header ...string) Answer {
	t.Helper()
	return Do(t, http.MethodGet, url, nil, header...)
}

// Await polls a job's status until it is over, and returns the last answer.
func Await(t testing.TB, location string, header ...string) Answer {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		a := Get(t, location, header...)
		switch a.JSON(t)["status"] {
		case "pending", "processing":
		default:
			return a
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("job does not end: %s", a.Bytes)
		}
	}
}

// SeparateWebhooks gives the webhooks a queue of their own, for the workers and the APIs that
// start from now on, and for the one that there is.
func (s *System) SeparateWebhooks(t *testing.T) {
	t.Helper()
	url, err := s.Env.Servers.EnsureQueue(t.Context(), s.Env.Bucket+"-webhooks", awslocal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.WebhookQueueURL = config.Location(url)
	s.URL = s.serve(t, s.Config, nil)
}
