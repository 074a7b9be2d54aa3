// Package outbound is the one way to an address that a client names: the receiver of a
// webhook, or the source of an image. Such an address is a stranger's wish, so that this
// service could be made to speak to its own network, to the metadata server of its cloud,
// or to itself.
//
// The guard judges an address when it is dialled, after its name was resolved: a name
// whose addresses change in between is judged by the address that the connection goes to.
// Only https at port 443 of public unicast addresses passes, unless the operator permits
// more by [Allow]. Nothing is taken from the environment (no proxy), nothing is kept
// between requests (no cookies, no connections), no compressed content is asked for, and
// everything that the other side sends is bounded in time and size.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	connectTime = 10 * time.Second // to resolve the name and connect
	headerTime  = 30 * time.Second // from the request to the head of the answer
	idleTime    = 30 * time.Second // between two pieces of a body
	fetchTime   = 5 * time.Minute  // for all of a Fetch
	postTime    = 15 * time.Second // for all of a Post

	maxHeader    = 64 << 10 // of an answer, in bytes
	maxRedirects = 3        // of a Fetch
)

// Options are what a Client is made of. The zero value permits public servers alone.
type Options struct {
	Allow Allow
	// UserAgent is the User-Agent of every request; empty: Claimcheck.
	UserAgent string
	// RootCAs verify the servers' certificates; nil: those of the system.
	RootCAs *x509.CertPool
	// Resolver resolves the names; nil: that of the system.
	Resolver *net.Resolver
}

// Client sends requests to addresses that clients name. It is safe for concurrent use.
type Client struct {
	allow     Allow
	resolver  *net.Resolver
	userAgent string
	http      *http.Client // without a policy of redirects

	connectTime, headerTime, idleTime, fetchTime, postTime time.Duration
}

// New returns a Client.
func New(o Options) *Client {
	c := &Client{
		allow: o.Allow, resolver: o.Resolver, userAgent: o.UserAgent,
		connectTime: connectTime, headerTime: headerTime, idleTime: idleTime, fetchTime: fetchTime, postTime: postTime,
	}
	if c.userAgent == "" {
		c.userAgent = "Claimcheck"
	}
	c.http = &http.Client{Transport: byScheme{"https": c.transport(o.RootCAs, false), "http": c.transport(o.RootCAs, true)}}
	return c
}

// byScheme chooses the transport: that of plain http dials what the operator permits alone.
type byScheme map[string]*http.Transport

func (t byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, ok := t[r.URL.Scheme]
	if !ok {
		return nil, errNotAllowed
	}
	return transport.RoundTrip(r)
}

// transport speaks HTTP/1.1 over connections of one request each.
func (c *Client) transport(roots *x509.CertPool, plain bool) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.dial(ctx, network, address, plain)
		},
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTime,
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
}

// dial connects to a host and port, to an address that is permitted.
func (c *Client) dial(ctx context.Context, network, address string, plain bool) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errNotAllowed
	}
	d := net.Dialer{Timeout: c.connectTime, Resolver: c.resolver}
	if !c.allow.host(host) {
		only := plain || port != "443"
		d.ControlContext = func(_ context.Context, _, dialled string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(dialled)
			if err != nil {
				return errNotAllowed
			}
			return c.allow.judge(to.Addr(), only)
		}
	}
	return d.DialContext(ctx, network, address)
}
