//go:build linux || darwin

package app_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/config"
)

// keeper is a listener that passes on the connections that it accepts.
type keeper struct {
	net.Listener
	accepted chan net.Conn
}

func (k keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.accepted <- c
	}
	return c, err
}

// TestUnsentBytesAreBounded asks the kernel how much of an answer it takes for a client
// that reads nothing.
func TestUnsentBytesAreBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := keeper{l, make(chan net.Conn, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	limit := make(chan int, 1)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		raw, err := (<-k.accepted).(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Error(err)
		}
		raw.Control(func(fd uintptr) {
			n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
			if err != nil {
				t.Error(err)
			}
			limit <- n
		})
	})
	go func() {
		served <- app.ServeListener(ctx, k, h, &config.Config{IdleTimeout: time.Minute, Grace: time.Second}, slog.New(slog.DiscardHandler))
	}()
	r, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if got, want := <-limit, 256<<10; got != want {
		t.Errorf("the kernel takes %d bytes, want %d", got, want)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
