package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Destinations are hosts and ranges of addresses, separated by commas:
// "receiver.internal,10.0.0.0/8,::1".
type Destinations struct {
	// Hosts are names in lower case.
	Hosts []string
	// Prefixes are ranges of addresses, IPv4 never within IPv6.
	Prefixes []netip.Prefix
}

// UnmarshalText reads a list of hosts, addresses and ranges.
func (d *Destinations) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		if err := d.add(strings.ToLower(strings.TrimSpace(part))); err != nil {
			return fmt.Errorf("%q: %w", strings.TrimSpace(part), err)
		}
	}
	return nil
}

func (d *Destinations) add(s string) error {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	prefix := netip.PrefixFrom(addr, addr.BitLen())
	if err != nil {
		prefix, err = netip.ParsePrefix(s)
	}
	switch {
	case err == nil && prefix.Addr().Is4In6():
		return errors.New("write an IPv4 address as such, like 10.0.0.1 or 10.0.0.0/8")
	case err == nil && prefix.IsValid() && addr.Zone() == "":
		d.Prefixes = append(d.Prefixes, prefix.Masked())
		return nil
	case s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Trim(s, "0123456789.") == "":
		return errors.New("this is not a host such as receiver.internal, an address, or a range such as 10.0.0.0/8, without a scheme and a port")
	}
	d.Hosts = append(d.Hosts, strings.TrimSuffix(s, "."))
	return nil
}

// String returns the list as it is written.
func (d Destinations) String() string {
	all := append([]string{}, d.Hosts...)
	for _, p := range d.Prefixes {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}
