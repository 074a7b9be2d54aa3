// Package loopback tells the names of this machine from those of others. A server on
// loopback that answers to any name is open to every web page: the page's own name can
// resolve to 127.0.0.1 (DNS rebinding), and then the browser counts both as one origin.
package loopback

import (
	"net"
	"net/netip"
	"strings"
)

// Host reports whether a Host header names this machine: localhost, a name below it, which
// no resolver may take elsewhere (RFC 6761, 6.3), or a loopback address.
func Host(host string) bool {
	name := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(name)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}
