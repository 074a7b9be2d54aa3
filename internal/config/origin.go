package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// origin returns s as a browser spells it (RFC 6454, 6.2): in lower case, without the
// scheme's default port.
func origin(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("browsers send the names of hosts in ASCII; write this one in Punycode, such as https://xn--bcher-kva.example")
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#") {
		return "", errors.New("this is not an origin such as https://app.example, without a path")
	}
	host := strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.String()
	}
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
