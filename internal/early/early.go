// Package early makes connections whose answers can be read although the request could not
// be sent to its end.
package early

import (
	"context"
	"net"
	"sync"
)

// conn keeps an answer readable that arrives before the whole request is sent. A
// server may refuse a large body unread and hang up. The client of net/http gives up at
// the first failed write, although the answer may have arrived. Here a failed write
// returns only when the connection is closed, which happens once the reader has found the
// end of the answer or of the connection.
type conn struct {
	net.Conn
	closed chan struct{}
	once   sync.Once // closes closed
}

// Dialer opens connections, as the DialContext of a transport does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Answers returns dial with connections that keep early answers readable.
func Answers(dial Dialer) Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c, closed: make(chan struct{})}, nil
	}
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		<-c.closed
	}
	return n, err
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
