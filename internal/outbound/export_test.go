package outbound

import (
	"context"
	"io"
	"net/netip"
	"time"
)

// Public and Refused are the judgement and its table.
func Public(addr netip.Addr) bool { return public(addr) }

func Refused() (list []netip.Prefix) {
	for _, b := range refused {
		list = append(list, b.prefix)
	}
	return list
}

// Hasten shortens the times of a client.
func (c *Client) Hasten(connect, header, idle, fetch, post time.Duration) *Client {
	c.connectTime, c.headerTime, c.idleTime, c.fetchTime, c.postTime = connect, header, idle, fetch, post
	return c
}

// Body is the body of an answer with a bound on its silence.
func Body(ctx context.Context, idle time.Duration, content func(ctx context.Context) io.ReadCloser) io.ReadCloser {
	ctx, cancel := context.WithCancelCause(ctx)
	return &fetched{ReadCloser: content(ctx), ctx: ctx, cancel: cancel, whole: time.NewTimer(idle), idle: idle}
}
