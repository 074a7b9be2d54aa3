package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// gate is a way to a server, where images get stuck.
type heldProxy struct {
	URL   string
	begun chan struct{} // closed when the beginning of an image has passed
	open  func()        // lets pass what has arrived since
}

func newHeldProxy(t *testing.T, server string) *heldProxy {
	t.Helper()
	begun, opened := make(chan struct{}), make(chan struct{})
	g := &heldProxy{begun: begun, open: sync.OnceFunc(func() { close(opened) })}
	begin := sync.OnceFunc(func() { close(begun) })
	g.URL = between(t, server, func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			if r.Out.Body != nil {
				r.Out.Body = &stuck{ReadCloser: r.Out.Body, wait: func() { begin(); <-opened }}
			}
		}
	})
	t.Cleanup(g.open)
	return g
}

// stuck lets 64 KiB of an image pass before it waits.
type stuck struct {
	io.ReadCloser
	wait   func()
	passed int
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.passed >= 64<<10 {
		s.wait()
	}
	n, err := s.ReadCloser.Read(p)
	s.passed += n
	return n, err
}

// between runs a proxy in front of a server, and returns its URL.
func between(t *testing.T, server string, change func(*httputil.ReverseProxy)) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	change(p)
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return front.URL
}

// large is an image larger than all buffers between client and server.
func large(t *testing.T) string {
	t.Helper()
	path := photo(t)
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	return path
}

// nothing fails the test when something of a job is stored or queued.
func nothing(t *testing.T, s *apptest.System) {
	t.Helper()
	for _, key := range s.Keys(t) {
		t.Errorf("%s is left behind", key)
	}
	if n := s.Count()["SQS SendMessage"]; n > 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestInterruptedSubmit interrupts at each moment of a submit. Every job that was made is
// reported, and none is incomplete.
func TestInterruptedSubmit(t *testing.T) {
	t.Parallel()
	t.Run("while standard input is read", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		in, keyboard := io.Pipe() // never closed
		go func() {
			keyboard.Write([]byte("\xff\xd8"))
			cancel()
		}()
		var out, errs bytes.Buffer
		if code := run(ctx, []string{"submit", "--server", s.URL, "-"}, streams{in, &out, &errs}); code != 130 || !strings.Contains(errs.String(), "interrupted; nothing was submitted") {
			t.Errorf("exit code %d, output %q, errors %q", code, out.String(), errs.String())
		}
		nothing(t, s)
	})
	t.Run("in the middle of the image", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		g := newHeldProxy(t, s.URL)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-g.begun; cancel() }()
		r := claimcheck(ctx, nil, "submit", "--server", g.URL, large(t))
		g.open()
		if r.code != 130 || !strings.Contains(r.err, "interrupted; nothing was submitted") {
			t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
		}
		nothing(t, s)
	})
	t.Run("while a direct upload is offered", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "MAX_INLINE_BYTES=256KiB")
		ctx, cancel := context.WithCancel(t.Context())
		s.Backend.Fail(func(r apptest.Request) apptest.Fault {
			if r.Method == http.MethodPut && strings.HasPrefix(r.Key, "jobs/") {
				cancel()
			}
			return apptest.Pass
		})
		r := claimcheck(ctx, nil, "submit", "--server", s.URL, large(t))
		if r.code != 130 || !strings.Contains(r.err, "interrupted; nothing was submitted") {
			t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
		}
		nothing(t, s)
	})
	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		front := between(t, s.URL, func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(*http.Response) error { cancel(); return nil } // the job is made
		})
		r := claimcheck(ctx, nil, "submit", "--server", front, photo(t))
		if r.code != 130 || !strings.Contains(r.err, "the job is accepted and goes on ("+front+"/jobs/") || documents(t, s) != 1 {
			t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
		}
	})
	t.Run("in the middle of a direct upload", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "MAX_INLINE_BYTES=1KiB")
		ctx, cancel := context.WithCancel(t.Context())
		s.Backend.Fail(func(r apptest.Request) apptest.Fault {
			if r.Method == http.MethodPut && strings.HasPrefix(r.Key, "input/") {
				cancel()
				return apptest.Refuse
			}
			return apptest.Pass
		})
		r := claimcheck(ctx, nil, "submit", "--server", s.URL, photo(t))
		if r.code != 130 || !strings.Contains(r.err, "interrupted; nothing was submitted") {
			t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
		}
		nothing(t, s)
	})
	t.Run("in the middle of a result", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		s.StartWorker(t)
		ctx, cancel := context.WithCancel(t.Context())
		front := between(t, s.URL, func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error {
				if strings.HasSuffix(r.Request.URL.Path, "/output") {
					r.Body = &stuck{ReadCloser: r.Body, wait: func() { cancel(); <-r.Request.Context().Done() }}
				}
				return nil
			}
		})
		dir := t.TempDir()
		r := claimcheck(ctx, nil, "submit", "--server", front, "-o", dir, "--json", photo(t))
		var o outcome
		if err := json.Unmarshal([]byte(r.out), &o); err != nil || r.code != 130 || o.Error != "interrupted; the job is completed" || o.Output != o.URL+"/output" {
			t.Errorf("exit code %d, output %q, errors %q, %v", r.code, r.out, r.err, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}
