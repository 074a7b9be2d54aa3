package app

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"claimcheck.example/internal/config"
)

// Serve answers on the configured port, all interfaces, until ctx ends; then it takes
// nothing new and lets what runs come to its end within the grace.
func Serve(ctx context.Context, c *config.Config) error {
	p, err := Open(ctx, c, RoleServer)
	if err != nil {
		return err
	}
	defer p.Close()
	api, err := p.API()
	if err != nil {
		return err
	}
	defer api.Close()
	l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("cannot listen on port %d (set PORT to another port): %w", c.Port, err)
	}
	stop, err := p.ServeMetrics(ctx, RoleServer)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stop()
	p.started("server", "address", l.Addr().String())
	err = ServeAPI(ctx, l, api, c)
	p.Telemetry.Log.Info("server stopped")
	return err
}

// ServeAPI is ServeListener of an API, which is drained when ctx ends.
func ServeAPI(ctx context.Context, l net.Listener, api *API, c *config.Config) error {
	defer context.AfterFunc(ctx, api.Drain)()
	return ServeListener(ctx, l, api.Handler, c, api.log)
}

// ServeListener serves h on l over HTTP/1 and unencrypted HTTP/2 until ctx ends, and then
// waits up to its grace for the requests under way. Errors that prevent new connections
// go to log.
func ServeListener(ctx context.Context, l net.Listener, h http.Handler, c *config.Config, log *slog.Logger) error {
	s := newServer(h, c.IdleTimeout, log)
	var b busy
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			boundUnsent(c)
		}
		b.note(c, state)
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Grace)
	defer cancel()
	go func() {
		quiet(stop, b.count)
		cancel()
	}()
	err := s.Shutdown(stop)
	if err != nil {
		err = nil
		if n := b.count(); n > 0 {
			err = fmt.Errorf("%d connections lost their requests at the end of the grace period of %s", n, c.Grace)
		}
		s.Close()
	}
	if serr := <-failed; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// busy follows which connections have requests under way. Shutdown alone would wait 5 s
// for connections that were opened ahead of need and never used, as browsers do.
type busy struct {
	mu     sync.Mutex // guards active
	active map[net.Conn]bool
}

func (b *busy) note(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state != http.StateActive {
		delete(b.active, c)
		return
	}
	if b.active == nil {
		b.active = map[net.Conn]bool{}
	}
	b.active[c] = true
}

func (b *busy) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.active)
}

// quiet returns when no request has been under way for half a second, in which requests
// that were on their way have arrived, or when ctx ends.
func quiet(ctx context.Context, underWay func() int) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; quiet < 10; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if quiet++; underWay() > 0 {
			quiet = 0
		}
	}
}

// An upload that waits for a buffer leaves its bytes unread. Over HTTP/2 they stay in the
// windows of its stream and of its connection, so a connection's window is as large as
// those of all its streams together: an upload that waits blocks no other, in particular
// not the one that it waits for. Only unread bodies take up the 32 MiB; 256 KiB are 2.5
// MB/s a stream at a round trip of 100 ms.
const (
	streamWindow = 256 << 10
	streams      = 128 // of a connection; clients and fronts open another for more
)

// newServer sets the limits that hold before a handler runs. There is no limit on a
// whole request: an upload may take as long as its bytes keep coming, which the handler
// watches itself.
func newServer(h http.Handler, idle time.Duration, logger *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams, MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: streams * streamWindow,
			// A deadline of a stream does not end a write for which the whole connection waits.
			WriteByteTimeout: idle,
		},
		ErrorLog: log.New(&acceptErrors{log: logger, sometimes: rate.Sometimes{Interval: 10 * time.Second}}, "", 0),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// acceptErrors takes net/http's own lines and passes on those that are the operator's
// business: that no connection can be taken, above all for want of file descriptors. The
// others are mostly of what strangers send, and as many as they like. Of a flood of connections
// there is a line every ten seconds.
type acceptErrors struct {
	log       *slog.Logger
	sometimes rate.Sometimes
}

// Write takes one line, as log.Logger writes it.
func (a *acceptErrors) Write(line []byte) (int, error) {
	if why, ok := strings.CutPrefix(string(line), "http: Accept error: "); ok {
		a.sometimes.Do(func() {
			a.log.Error("the server cannot accept connections; if it has too many open files, raise the limit (ulimit -n)", "error", strings.TrimSpace(why))
		})
	}
	return len(line), nil
}
