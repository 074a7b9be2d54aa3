package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi/apitest"
)

// served is the API behind the server that the processes run.
type served struct {
	url  string
	stop func() error // has it drain, and waits until it has
}

func serve(t *testing.T, vars ...string) served {
	t.Helper()
	env := awstest.Start(t)
	return serveOn(t, env, env.S3URL, vars...)
}

// serveOn is serve with another way to S3.
func serveOn(t *testing.T, env *awstest.Env, s3 string, vars ...string) served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveFrom(t, env, s3, l, vars...)
}

// serveFrom is serveOn with a listener of the test's own.
func serveFrom(t *testing.T, env *awstest.Env, s3 string, l net.Listener, vars ...string) served {
	t.Helper()
	c, err := config.Load(config.Server, append([]string{
		"S3_BUCKET=" + env.Bucket, "SQS_QUEUE_URL=" + env.QueueURL, "ALLOW_ANONYMOUS=true", "SHUTDOWN_GRACE=30s",
	}, vars...))
	if err != nil {
		t.Fatal(err)
	}
	cfg := env.Servers.Config()
	cfg.ConfigSources = []any{endpoints{"S3": s3, "SQS": env.SQSURL}}
	p, err := app.New(t.Context(), c, cfg, app.Quiet(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	api, err := p.API()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- app.ServeListener(ctx, l, apitest.Handler(t, api.Handler), c, slog.New(slog.DiscardHandler))
	}()
	stop := sync.OnceValue(func() error {
		cancel()
		defer api.Close()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the server ends with %v", err)
		}
	})
	return served{"http://" + l.Addr().String(), stop}
}

// endpoints are those of AWS's services, as the environment would name them.
type endpoints map[string]string

// GetServiceBaseEndpoint is how the SDK asks its sources for one.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url, ok := e[service]
	return url, ok, nil
}

// TestSlowStorageIsNotTheClients has each part of an upload take longer than the client may
// leave the service waiting: what the service waits for by itself does not count.
func TestSlowStorageIsNotTheClients(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	to, err := url.Parse(env.S3URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("partNumber") {
			<-time.After(2500 * time.Millisecond)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	s := serveOn(t, env, slow.URL, "IDLE_TIMEOUT=2s")
	picture, err := os.ReadFile(awstest.Path("../imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	picture = append(picture, make([]byte, 11<<20)...)
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(!http2)
			transport.Protocols.SetUnencryptedHTTP2(http2)
			defer transport.CloseIdleConnections()
			resp, err := (&http.Client{Transport: transport}).Post(s.url+"/jobs", "image/jpeg", bytes.NewReader(picture))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted || err != nil {
				t.Errorf("answer is %s: %s (%v)", resp.Status, body, err)
			}
		})
	}
}

// pipes is a listener whose connections hold no byte between the two ends, where a kernel
// holds some kilobytes or some megabytes.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	close  func()
}

func listenPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

// Addr is one of loopback, as connections of a server have.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// addressed is a pipe's end whose other end has an address, as clients have.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

// TestUnreadStreamsEndTheConnection asks over HTTP/2 for a hundred answers, opens all
// windows for them, and reads no more than their beginning: the server closes the
// connection.
func TestUnreadStreamsEndTheConnection(t *testing.T) {
	t.Parallel()
	l := listenPipes()
	env := awstest.Start(t)
	serveFrom(t, env, env.S3URL, l, "IDLE_TIMEOUT=1s")
	c, end := net.Pipe()
	defer c.Close()
	l.accept <- addressed{end}
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	frame := func(kind, flags byte, stream uint32, payload string) []byte {
		f := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		return append(binary.BigEndian.AppendUint32(append(f, flags), stream), payload...)
	}
	const settings, ping, windowUpdate, headers = 4, 6, 8, 1
	all := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	all = append(all, frame(settings, 0, 0, "\x00\x04\x7f\xff\xff\xff")...) // windows of streams
	all = append(all, frame(windowUpdate, 0, 0, "\x7f\xff\x00\x00")...)
	for i := range uint32(100) { // GET, http, the path and the authority to the letter (RFC 7541)
		all = append(all, frame(headers, 5, 2*i+1, "\x82\x86\x04\x0d/openapi.yaml\x01\x01x")...)
	}
	read := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, c, 64<<10) // the answers have begun
		read <- err
	}()
	_, err := c.Write(all)
	if err := <-read; err != nil {
		t.Fatalf("read the beginning of the answers: %v", err)
	}
	for ; err == nil; _, err = c.Write(frame(ping, 0, 0, "are you?")) {
		<-time.After(50 * time.Millisecond)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server keeps the connection")
	}
}

// TestUploadsOfOneConnection sends many more large uploads over one HTTP/2 connection
// than there are large buffers: those that wait for one leave room to those that have it.
func TestUploadsOfOneConnection(t *testing.T) {
	t.Parallel()
	s := serve(t)
	transport := &http.Transport{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	var connections atomic.Int32
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		connections.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	if resp, err := client.Get(s.url + "/health"); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	picture, err := os.ReadFile(awstest.Path("../imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	picture = append(picture, make([]byte, 200<<10)...) // a JPEG with something behind it is one still, and 400 KiB need a large buffer
	var uploads sync.WaitGroup
	for range 64 {
		uploads.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/jobs", bytes.NewReader(picture))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "image/jpeg")
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted || err != nil {
				t.Errorf("answer is %s: %s (%v)", resp.Status, body, err)
			}
		})
	}
	uploads.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("there were %d connections, want one", n)
	}
}

// scarce is a listener of a process that has too few file descriptors for some time.
type scarce struct {
	net.Listener
	failures atomic.Int32
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return s.Listener.Accept()
}

// TestNoMoreConnections has strangers send what is not HTTP, and then a server run out of
// file descriptors: of the former the log does not tell, and of the latter once.
func TestNoMoreConnections(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &scarce{Listener: inner}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	var log bytes.Buffer
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusOK)
	})
	go func() {
		done <- app.ServeListener(ctx, l, handler, &config.Config{Grace: time.Minute}, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	const well = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for i, request := range []string{
		"GET /?a;token=secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nsecret of a stranger who speaks no HTTP/2", "\x16\x03\x01 secret\r\n\r\n",
		well, well, // the one that is being waited for, and one after the failures
	} {
		if i == 4 {
			l.failures.Store(3)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c) // to the end of the connection, a reset included
		c.Close()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "too many open files") || strings.Contains(got, "secret") {
		t.Errorf("the log is %q", got)
	}
}
