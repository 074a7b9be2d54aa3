package app

import (
	"context"
	"net"
	"net/http"
)

// unreadBytes is how much of a response of storage the kernel holds before this process
// reads it. By default it is megabytes, so that 96 outputs whose clients read nothing took
// 580 MB of kernel memory, which counts against the limit of a container.
const unreadBytes = 256 << 10

// boundUnread applies it to the connections of a transport. The kernel may hold up to twice
// as much, for its own data about it.
func boundUnread(t *http.Transport) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(unreadBytes) // the connection works without it as well
		}
		return c, err
	}
}
