package outbound

import (
	"net/netip"
	"slices"
	"strings"
)

// Allow is what the operator permits besides public servers: there, plain http and any port
// are permitted too. The zero value permits nothing more.
type Allow struct {
	// Hosts are names in lower case, as URLs have them. Whatever address a name has is
	// permitted: who answers for it in the DNS is trusted.
	Hosts []string
	// Prefixes are ranges of addresses. A metadata address of a cloud is permitted only by a
	// prefix of that one address.
	Prefixes []netip.Prefix
}

// host reports whether the operator permits a host by its name.
func (a Allow) host(name string) bool {
	return slices.Contains(a.Hosts, strings.ToLower(strings.TrimSuffix(name, ".")))
}

// addr reports whether the operator permits an address.
func (a Allow) addr(addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(a.Prefixes, func(p netip.Prefix) bool {
		return p.Contains(addr) && (p.IsSingleIP() || !slices.Contains(metadata, addr))
	})
}

// judge decides about an address that is to be dialled; only reports whether the connection
// needs the operator's permission, because it is not https at port 443.
func (a Allow) judge(addr netip.Addr, only bool) error {
	if a.addr(addr) || !only && public(addr) {
		return nil
	}
	return errNotAllowed
}
