package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ServeMetrics answers scrapes on METRICS_PORT until the returned function is called. It
// does nothing without that port. The parts are those that run in this process, RoleServer,
// RoleWorker or both: their counters begin at zero. RoleLocal answers on loopback alone.
func (p *Process) ServeMetrics(ctx context.Context, parts ...Role) (stop func(), err error) {
	t := p.Telemetry
	if t.scraped == nil {
		return func() {}, nil
	}
	if err := p.observe(ctx, parts); err != nil {
		return nil, err
	}
	host := ""
	if p.role == RoleLocal {
		host = "127.0.0.1"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(p.Config.MetricsPort)))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %d (set METRICS_PORT to another port): %w", p.Config.MetricsPort, err)
	}
	s := &http.Server{Handler: t.scraped.Handler(t.Log), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Log.Error("metrics are no longer served", "error", err)
		}
	}()
	t.Log.Info("metrics", "address", l.Addr().String(), "path", "/metrics")
	return func() {
		s.Close()
		<-done
	}, nil
}
