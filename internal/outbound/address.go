package outbound

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"claimcheck.example/internal/job"
)

// maxURL bounds a URL, in bytes.
const maxURL = 2048

// errNotAllowed is the one answer for every address that is refused, so that it says
// nothing about the network of this service.
var errNotAllowed = job.Errorf(job.Invalid, "this address is not allowed")

// Check refuses a URL that [Client.Fetch] and [Client.Post] would refuse without a
// connection: by its form, or by an address that it spells out. Its errors have the kind
// Invalid. A name is judged again, by its addresses, when it is dialled.
func (c *Client) Check(address string) error {
	_, err := c.parse(address)
	return err
}

// parse reads a URL strictly. Its errors do not repeat the URL, which may hold a secret.
func (c *Client) parse(address string) (*url.URL, error) {
	if len(address) > maxURL {
		return nil, job.Errorf(job.Invalid, "the URL has more than %d bytes", maxURL)
	}
	for _, b := range []byte(address) {
		if b <= ' ' || b >= 0x7f || b == '\\' {
			return nil, job.Errorf(job.Invalid, "the URL has characters other than visible ASCII; percent-encode them, and write the host in Punycode (xn--...)")
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return nil, job.Errorf(job.Invalid, "this is not an absolute URL such as https://example.com/path")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, job.Errorf(job.Invalid, "the URL must begin with https://")
	}
	if u.User != nil {
		return nil, job.Errorf(job.Invalid, "the URL must not contain a user name or a password")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, c.checkHost(u)
}

// checkHost decides what can be decided without resolving the host.
func (c *Client) checkHost(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if c.allow.host(host) {
		return nil
	}
	only := u.Scheme != "https" || u.Port() != "" && u.Port() != "443"
	addr, err := netip.ParseAddr(host)
	if err == nil && c.allow.addr(addr) {
		return nil
	}
	perhaps := err != nil && len(c.allow.Prefixes) > 0 // by an address that the name has
	switch {
	case perhaps:
	case u.Scheme != "https":
		return job.Errorf(job.Invalid, "the URL must begin with https://")
	case only:
		return job.Errorf(job.Invalid, "the URL must have the port 443 of https, or no port")
	}
	if err == nil {
		return c.allow.judge(addr, only)
	}
	if !isName(host) || isLocalName(host) && !perhaps {
		return errNotAllowed
	}
	return nil
}

// isName reports whether a host is a name by which the DNS is asked. A host whose last
// label is a number is none: resolvers and browsers read 2130706433, 0x7f.1 and 0177.0.0.1
// as addresses.
func isName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	hex, isHex := strings.CutPrefix(last, "0x")
	return strings.Trim(last, "0123456789") != "" && !(isHex && strings.Trim(hex, "0123456789abcdef") == "")
}

// localZones are the top-level domains that the public DNS does not have (RFC 6761, 6762,
// 7686, 8375, and ICANN's reservation of internal).
var localZones = []string{"localhost", "local", "internal", "intranet", "lan", "corp", "home", "private", "test", "invalid", "onion", "arpa"}

// isLocalName reports whether a name means something in a network of its own alone. It is
// refused unresolved: the answer must not say which of such names exist.
func isLocalName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	dot := strings.LastIndexByte(host, '.')
	return dot < 0 || slices.Contains(localZones, host[dot+1:])
}
