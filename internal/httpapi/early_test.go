package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/limiter"
)

// TestEarlyAnswersArrive refuses uploads of 5 MB in the middle, for clients that read no
// answer before all is sent, over a line of 2 MB a second that buffers nothing. A server
// that closes the connection before the end resets it, and the answer is lost.
func TestEarlyAnswersArrive(t *testing.T) {
	t.Parallel()
	full := func(t *testing.T, o *httpapi.Options) {
		share := limiter.Share{Bytes: 1 << 10, Uploads: 1, Wait: time.Millisecond}
		o.Limiter = limiter.New(limiter.Options{Small: share, Large: share})
		for _, size := range []int64{1, 0} {
			if _, err := o.Limiter.Acquire(t.Context(), "another", size); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		change func(*testing.T, *httpapi.Options)
		header string
		want   int
	}{
		"too large":        {nil, "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n", 413},
		"announced so":     {nil, "Content-Type: image/png\r\nContent-Length: 5242880\r\n", 413},
		"another type":     {nil, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", 415},
		"no room":          {full, "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n", 429},
		"a malformed form": {nil, "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n", 400},
	}
	for name, tt := range tests {
		for _, connection := range []string{"", "Connection: close\r\n"} {
			t.Run(name+" "+strings.TrimSpace(connection), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					line, stop := serveLine(handler(t, func(o *httpapi.Options) {
						if tt.change != nil {
							tt.change(t, o)
						}
					}))
					defer stop()
					head := "POST /jobs HTTP/1.1\r\nHost: x\r\n" + connection + tt.header + "\r\n"
					if err := line.send(head, strings.Contains(head, "chunked"), 5<<20); err != nil {
						t.Fatalf("the connection is reset after %s", err)
					}
					synctest.Wait()
					a, err := http.ReadResponse(bufio.NewReader(line.answer()), nil)
					if err != nil || a.StatusCode != tt.want || !a.Close {
						t.Errorf("the answer is %v, %v", a, err)
					}
				})
			})
		}
	}
}

// TestRefusedUploadsEnd sends without end after a refusal, or nothing more: the server
// closes the connection in bounded time.
func TestRefusedUploadsEnd(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]int{"endless": 1 << 30, "silent": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				line, stop := serveLine(handler(t, func(*httpapi.Options) {}))
				defer stop()
				begin := time.Now()
				err := line.send("POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", true, bytes)
				<-line.closed
				if took := time.Since(begin); took > 7*time.Second || (err == nil) != (name == "silent") {
					t.Errorf("the connection is closed after %s, %v", took, err)
				}
				if a, err := http.ReadResponse(bufio.NewReader(line.answer()), nil); err != nil || a.StatusCode != 415 {
					t.Errorf("the answer is %v, %v", a, err)
				}
			})
		})
	}
}

// line is a connection to a server that buffers nothing of what the client sends, and all
// that the server does.
type line struct {
	net.Conn // the server's end
	client   net.Conn
	closed   chan struct{}
	once     sync.Once

	mu       sync.Mutex // guards answered
	answered bytes.Buffer
}

// serveLine returns a line to a server of h; stop ends it.
func serveLine(h http.Handler) (_ *line, stop func()) {
	l := &line{closed: make(chan struct{})}
	l.client, l.Conn = net.Pipe()
	accept := make(lines, 1)
	accept <- l
	server := &http.Server{Handler: h}
	go server.Serve(accept)
	return l, func() {
		l.client.Close()
		server.Close()
	}
}

// send writes a request with a body of that size, 64 KiB in each 32 ms. Its error tells how
// much of the body was sent.
func (l *line) send(head string, chunked bool, size int) error {
	if _, err := io.WriteString(l.client, head); err != nil {
		return fmt.Errorf("the head: %w", err)
	}
	piece := string(make([]byte, 64<<10))
	if chunked {
		piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
	}
	for sent := 0; sent < size; sent += 64 << 10 {
		time.Sleep(32 * time.Millisecond)
		if _, err := io.WriteString(l.client, piece); err != nil {
			return fmt.Errorf("%d bytes: %w", sent, err)
		}
	}
	return nil
}

func (l *line) answer() io.Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.NewReader(bytes.Clone(l.answered.Bytes()))
}

func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered.Write(p)
}

func (l *line) SetWriteDeadline(time.Time) error { return nil }

func (l *line) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// lines is a listener.
type lines chan net.Conn

func (l lines) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l lines) Close() error   { close(l); return nil }
func (l lines) Addr() net.Addr { return &net.TCPAddr{} }
