package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/processortest"
	"claimcheck.example/internal/processor/remote"
)

func TestServer(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png; q=1")
		w.Header().Set("X-Billable-Units", "2.5")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, r.Method+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Accept-Encoding")+" "+r.Header.Get("X-Params")+" ")
		io.Copy(w, r.Body)
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(code)
			io.WriteString(w, "internal detail")
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		kind    job.Kind
		after   time.Duration
		log     string
	}{
		{"bad request", status(400), job.Invalid, 0, `processor answered 400`},
		{"too large", status(413), job.TooLarge, 0, `processor answered 413`},
		{"unsupported", status(415), job.Unsupported, 0, `processor answered 415`},
		{"unprocessable", status(422), job.Invalid, 0, `processor answered 422`},
		{"too many", status(429), job.Unavailable, 7 * time.Second, `processor answered 429`},
		{"broken", status(500), job.Unavailable, 7 * time.Second, `processor answered 500`},
		{"overload", status(503), job.Unavailable, 7 * time.Second, `processor answered 503`},
		{"redirect", status(307), job.Misconfigured, 0, `processor answered 307 with the location "http://127.0.0.1:1/"`},
		{"no content", status(204), job.Misconfigured, 0, `processor answered 204`},
		{"part", status(206), job.Misconfigured, 0, `processor answered 206`},
		{"accepted", status(202), job.Misconfigured, 0, `processor answered 202`},
		{"switches protocols and says nothing", func(w http.ResponseWriter, _ *http.Request) {
			conn, buf, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: hold\r\n\r\n")
			io.Copy(io.Discard, buf) // until the client hangs up
		}, job.Misconfigured, 0, "processor answered 101"},
		{"coded", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, r.Header.Get("Accept-Encoding")+" is not gzip, but who knows")
		}, job.Misconfigured, 0, ""},
		{"empty", func(w http.ResponseWriter, _ *http.Request) {}, job.Unknown, 0, ""},
		{"empty, in chunks", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, job.Unknown, 0, ""},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, job.Unavailable, 0, ""},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, job.TooLarge, 0, ""},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, job.Unavailable, 0, ""},
		{"hangs in its result", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, job.Unavailable, 0, ""},
		{"hangs in its refusal", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, job.Unavailable, 0, ""},
	}
	opts := remote.Options{Timeout: time.Minute, MaxOutputBytes: 1 << 20}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			defer srv.Close()
			opts := opts
			if strings.HasPrefix(tt.name, "hangs") {
				opts.Timeout = 100 * time.Millisecond
			}
			p, err := remote.New(srv.URL, opts)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = processortest.Run(t, p, []byte("picture"), "")
			if job.KindOf(err) != tt.kind || job.MessageOf(err) == "" || tt.log != "" && !strings.Contains(err.Error(), tt.log) || strings.Contains(job.MessageOf(err), "detail") {
				t.Errorf("got %v (%v), want %v", err, job.KindOf(err), tt.kind)
			}
			if e, ok := err.(*job.Error); ok && e.RetryAfter != tt.after {
				t.Errorf("got to retry after %v, want %v", e.RetryAfter, tt.after)
			}
		})
	}
	t.Run("echo", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(http.HandlerFunc(echo))
		defer srv.Close()
		p, err := remote.New(srv.URL, remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Process(t.Context(), job.Task{
			Input: job.Media{ContentType: "image/gif", SizeBytes: 7}, Image: strings.NewReader("picture"),
			Params: []byte("{\n\"a\": \"é𝄞\"}"), Progress: func(float64, string) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		got, err := io.ReadAll(r.Body)
		if want := `POST image/gif identity {"a":"\u00e9\ud834\udd1e"} picture`; err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if r.ContentType != "image/png" || r.Units() != 2.5 {
			t.Errorf("got %s of %v units", r.ContentType, r.Units())
		}
	})
}

// TestCanceledRequestsEnd ends the work on a job in the middle of a request: the server sees its
// client leave.
func TestCanceledRequestsEnd(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
		close(ended)
	}))
	defer srv.Close()
	p, err := remote.New(srv.URL, remote.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	canceled := errors.New("the job is canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun
		cancel(canceled)
	}()
	_, err = p.Process(ctx, job.Task{Image: strings.NewReader("picture"), Progress: func(float64, string) {}})
	if !errors.Is(err, canceled) {
		t.Errorf("a canceled request ends by %v", err)
	}
	<-ended
}

// TestServerAnswersEarly has a server answer and hang up while a large image is still on
// its way, so that sending fails. The answer counts each time.
func TestServerAnswersEarly(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close() // with a reset, because unread bytes are left
		status := "429 Too Many Requests"
		if r.Header.Get("X-Attempt") == "2" {
			status = "200 OK"
		}
		io.WriteString(conn, "HTTP/1.1 "+status+"\r\nRetry-After: 7\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nbusy")
	}))
	defer srv.Close()
	p, err := remote.New(srv.URL, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	image := make([]byte, 50<<20)
	for range 5 {
		_, _, err := processortest.Run(t, p, image, "")
		e, ok := err.(*job.Error)
		if !ok || !strings.Contains(e.Error(), "429") || e.RetryAfter != 7*time.Second {
			t.Fatalf("got %v, want 429 to be retried after 7s", err)
		}
		r, err := p.Process(t.Context(), job.Task{Image: bytes.NewReader(image), Attempt: 2, Progress: func(float64, string) {}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		if r.Body.Close(); err != nil || string(got) != "busy" {
			t.Fatalf("got %q, %v, want the whole answer", got, err)
		}
	}
}
