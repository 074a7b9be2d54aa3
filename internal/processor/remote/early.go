package remote

import (
	"context"
	"net"
	"sync"
)

// earlyConn keeps an answer readable that arrives before the whole request is sent. A
// server may refuse a large body unread and hang up. The client of net/http gives up at
// the first failed write, although the answer may have arrived. Here a failed write
// returns only when the connection is closed, which happens once the reader has found the
// end of the answer or of the connection.
type earlyConn struct {
	net.Conn
	closed chan struct{}
	once   sync.Once // closes closed
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// keepingEarly returns dial with its connections made earlyConns.
func keepingEarly(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &earlyConn{Conn: c, closed: make(chan struct{})}, nil
	}
}

func (c *earlyConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		<-c.closed
	}
	return n, err
}

func (c *earlyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
