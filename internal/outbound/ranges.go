package outbound

import "net/netip"

// block is a range of addresses that no public server has, with the document that says so.
type block struct {
	prefix netip.Prefix
	why    string
}

// refused are the special-purpose ranges of IANA's registries for IPv4 and IPv6, multicast,
// and the ranges of IPv6 that hold an IPv4 address. A range within which the registry
// calls a few addresses globally reachable (192.0.0.0/24, 2001::/23) is refused as a whole:
// no web server has these addresses.
var refused = blocks(
	"0.0.0.0/8", "this network, RFC 791",
	"10.0.0.0/8", "private use, RFC 1918",
	"100.64.0.0/10", "shared address space of carrier-grade NAT, RFC 6598",
	"127.0.0.0/8", "loopback, RFC 1122",
	"168.63.129.16/32", "the wire server of Azure, which only its machines reach",
	"169.254.0.0/16", "link-local, RFC 3927: the metadata servers of clouds",
	"172.16.0.0/12", "private use, RFC 1918",
	"192.0.0.0/24", "IETF protocol assignments, RFC 6890",
	"192.0.2.0/24", "documentation, RFC 5737",
	"192.31.196.0/24", "AS112, RFC 7535",
	"192.52.193.0/24", "AMT, RFC 7450",
	"192.88.99.0/24", "6to4 relays, RFC 7526",
	"192.168.0.0/16", "private use, RFC 1918",
	"192.175.48.0/24", "AS112, RFC 7534",
	"198.18.0.0/15", "benchmarking, RFC 2544",
	"198.51.100.0/24", "documentation, RFC 5737",
	"203.0.113.0/24", "documentation, RFC 5737",
	"224.0.0.0/4", "multicast, RFC 5771",
	"240.0.0.0/4", "reserved, RFC 1112; its last address is the limited broadcast, RFC 8190",

	"::/128", "unspecified, RFC 4291",
	"::1/128", "loopback, RFC 4291",
	"::/96", "IPv4-compatible, RFC 4291",
	"::ffff:0:0:0/96", "IPv4-translated, RFC 2765",
	"64:ff9b:1::/48", "NAT64 of local use, RFC 8215",
	"100::/64", "discard only, RFC 6666",
	"100:0:0:1::/64", "dummy prefix, RFC 9780",
	"2001::/23", "IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID",
	"2001:db8::/32", "documentation, RFC 3849",
	"2002::/16", "6to4, RFC 3056",
	"2620:4f:8000::/48", "AS112, RFC 7534",
	"3ffe::/16", "the former 6bone, RFC 3701",
	"3fff::/20", "documentation, RFC 9637",
	"5f00::/16", "segment routing, RFC 9602",
	"fc00::/7", "unique local, RFC 4193",
	"fe80::/10", "link-local, RFC 4291",
	"fec0::/10", "site-local, RFC 3879",
	"ff00::/8", "multicast, RFC 4291",
)

var (
	// assigned holds every unicast address of IPv6 that IANA has assigned to the public
	// (RFC 4291).
	assigned = netip.MustParsePrefix("2000::/3")
	// nat64 is how a network without IPv4 reaches public IPv4 addresses (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// metadata are the addresses at which clouds hand out credentials. A range of Allow does
// not include them unless it is that address alone.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google Cloud, and others
	netip.MustParseAddr("169.254.170.2"),   // ECS
	netip.MustParseAddr("169.254.170.23"),  // EKS
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // EKS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

// public reports whether an address is one of a public server. The IPv4 address within an
// IPv4-mapped or a NAT64 address counts in its place; all other embeddings are refused.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	if addr.Is6() && (!assigned.Contains(addr) || isISATAP(addr)) {
		return false
	}
	for _, b := range refused {
		if b.prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// isISATAP reports whether the interface identifier holds an IPv4 address (RFC 5214).
func isISATAP(addr netip.Addr) bool {
	b := addr.As16()
	return b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

func blocks(pairs ...string) (list []block) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, block{netip.MustParsePrefix(pairs[i]), pairs[i+1]})
	}
	return list
}
