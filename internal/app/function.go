package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/telemetry"
)

// Function is the API for hosts that own the server and the process, such as the
// functions framework and AWS Lambda: it is built from the environment when the first
// request comes.
//
// These hosts may freeze the process as soon as a request is over: Flush is to be called
// before that, unless ServeAndFlush is. They end the process by SIGTERM and do not wait
// themselves; from the first request on that is seen to here.
type Function struct {
	build    func() *function
	underWay atomic.Int64 // requests
	stopping atomic.Bool  // SIGTERM has come
	exit     func(code int)
}

// function is what a Function is once it is built.
type function struct {
	handler http.Handler
	tel     *Telemetry // nil when it could not be built
}

// NewFunction returns a function that will be built from environ. After SIGTERM it ends the
// process by exit, since its host does not.
func NewFunction(environ func() []string, exit func(code int)) *Function {
	f := &Function{exit: exit}
	f.build = sync.OnceValue(func() *function {
		b, err := f.start(environ())
		if err == nil {
			return b
		}
		firstLogger(environ()).Error("the function cannot start", "error", err)
		return &function{handler: http.HandlerFunc(misconfigured)}
	})
	return f
}

// firstLogger is for what goes wrong before there is a configuration.
func firstLogger(environ []string) *slog.Logger {
	google := slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "K_SERVICE=") })
	return telemetry.NewLogger(telemetry.LogOptions{Writer: os.Stderr, GoogleCloud: google})
}

func misconfigured(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintln(w, `{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"this service is misconfigured; its log has the cause"}`)
}

func (f *Function) start(environ []string) (*function, error) {
	c, err := config.Load(config.Server, environ)
	if err != nil {
		return nil, err
	}
	c.MetricsPort = 0 // no scraper reaches it: metrics go by OTLP, as without that setting
	p, err := Open(context.Background(), c, RoleFunction)
	if err != nil {
		return nil, err
	}
	api, err := p.API()
	if err != nil {
		p.Close()
		return nil, err
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		<-terminated
		f.stopping.Store(true)
		api.Drain()
		f.drain(c, p.Telemetry)
		f.exit(0)
	}()
	p.started("function")
	return &function{api.Handler, p.Telemetry}, nil
}

// drain lets the requests under way come to their end within the grace, and flushes.
func (f *Function) drain(c *config.Config, tel *Telemetry) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Grace)
	defer cancel()
	quiet(ctx, func() int { return int(f.underWay.Load()) })
	if n := f.underWay.Load(); n > 0 {
		tel.Log.Warn("the grace period ended and cut off requests", "requests", n, "grace", c.Grace.String())
	}
	tel.Log.Info("function stopped")
	tel.Close()
}

// ServeHTTP serves the API.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.underWay.Add(1)
	defer f.underWay.Add(-1)
	f.serve(w, r)
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) {
	if f.stopping.Load() { // the host's server goes on listening: the next request is for another instance
		w.Header().Set("Connection", "close")
	}
	f.build().handler.ServeHTTP(w, r)
}

// ServeAndFlush serves the API, and returns when telemetry is sent. The client has its
// answer before that.
func (f *Function) ServeAndFlush(w http.ResponseWriter, r *http.Request) {
	f.underWay.Add(1)
	defer f.underWay.Add(-1)
	f.serve(w, r)
	if f.exports() != nil {
		_ = http.NewResponseController(w).Flush()
		f.Flush()
	}
}

// Flush sends the telemetry of requests that are over, within a bounded time.
func (f *Function) Flush() {
	if tel := f.exports(); tel != nil {
		tel.Flush()
	}
}

// exports returns the telemetry if there is anybody to send it to, else nil.
func (f *Function) exports() *Telemetry {
	if tel := f.build().tel; tel != nil && tel.Exports() {
		return tel
	}
	return nil
}
