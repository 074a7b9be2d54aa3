package awslocal

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// accepting is a listener that passes on the connections that it accepts.
type accepting struct {
	net.Listener
	accepted chan net.Conn
}

func (a accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err == nil {
		a.accepted <- c
	}
	return c, err
}

// TestSendBufferIsBounded asks the kernel whether the send buffer of a client's connection
// has a fixed size.
func TestSendBufferIsBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := accepting{l, make(chan net.Conn, 1)}
	type finding struct {
		locks int
		err   error
	}
	found := make(chan finding, 1)
	server, url := serve(a, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		var f finding
		raw, err := (<-a.accepted).(*net.TCPConn).SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { f.locks, f.err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK) })
		}
		if err != nil {
			t.Error(err)
		}
		found <- f
	}), new(sync.Map), slog.New(slog.DiscardHandler))
	defer server.Close()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	const ofSending = 1 // SOCK_SNDBUF_LOCK
	switch f := <-found; {
	case f.err != nil:
		t.Skipf("this kernel does not say whether the size is fixed: %v", f.err)
	case f.locks&ofSending == 0:
		t.Error("the send buffer grows without a bound of its own")
	}
}
