package remote

import (
	"context"
	"net"
	"sync"
)

// patientConn lets an answer be read that came before the whole request was sent. A server
// may refuse a large body unread and hang up; net/http's client gives up at the first
// write that fails by that, although the answer may have arrived. Here such a write fails
// when the connection is closed, as it is by whoever reads its end or its answer's.
type patientConn struct {
	net.Conn
	closed chan struct{}
	once   sync.Once // closes closed
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// patient returns dial with patient connections.
func patient(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &patientConn{Conn: c, closed: make(chan struct{})}, nil
	}
}

func (c *patientConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		<-c.closed
	}
	return n, err
}

func (c *patientConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
