package outbound_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/outbound"
)

const notAllowed = "this address is not allowed"

// embeddings are the ways in which an IPv6 address holds an IPv4 address.
var embeddings = map[string]func(v4 [4]byte) netip.Addr{
	"IPv4":               netip.AddrFrom4,
	"IPv4-mapped":        func(a [4]byte) netip.Addr { return within("::ffff:0:0", 12, a) },
	"IPv4-compatible":    func(a [4]byte) netip.Addr { return within("::", 12, a) },
	"IPv4-translated":    func(a [4]byte) netip.Addr { return within("::ffff:0:0:0", 12, a) },
	"NAT64":              func(a [4]byte) netip.Addr { return within("64:ff9b::", 12, a) },
	"NAT64 of local use": func(a [4]byte) netip.Addr { return within("64:ff9b:1::", 12, a) },
	"6to4":               func(a [4]byte) netip.Addr { return within("2002::1", 2, a) },
	"Teredo server":      func(a [4]byte) netip.Addr { return within("2001:0::1", 4, a) },
	"Teredo client": func(a [4]byte) netip.Addr {
		return within("2001:0:4136:e378::", 12, [4]byte{^a[0], ^a[1], ^a[2], ^a[3]})
	},
	"ISATAP":              func(a [4]byte) netip.Addr { return within("2606:4700::5efe:0:0", 12, a) },
	"ISATAP, global":      func(a [4]byte) netip.Addr { return within("2606:4700::200:5efe:0:0", 12, a) },
	"ISATAP, link-local":  func(a [4]byte) netip.Addr { return within("fe80::5efe:0:0", 12, a) },
	"6to4 within a relay": func(a [4]byte) netip.Addr { return within("2002:c058:6301::", 12, a) },
}

func within(prefix string, at int, v4 [4]byte) netip.Addr {
	b := netip.MustParseAddr(prefix).As16()
	copy(b[at:], v4[:])
	return netip.AddrFrom16(b)
}

// ends returns the first and the last address of a range, and one between them.
func ends(p netip.Prefix) []netip.Addr {
	first := p.Masked().Addr()
	last, middle := first.AsSlice(), first.AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 1 << (7 - i%8)
		if i%2 == 0 {
			middle[i/8] |= 1 << (7 - i%8)
		}
	}
	a, _ := netip.AddrFromSlice(last)
	b, _ := netip.AddrFromSlice(middle)
	return []netip.Addr{first, a, b}
}

func TestEveryRefusedRangeIsRefusedInEachEmbedding(t *testing.T) {
	t.Parallel()
	c := outbound.New(outbound.Options{})
	for _, p := range outbound.Refused() {
		for _, addr := range ends(p) {
			if !addr.Is4() {
				refuse(t, c, addr, "IPv6")
				continue
			}
			for name, embed := range embeddings {
				refuse(t, c, embed(addr.As4()), name)
			}
		}
	}
}

func refuse(t *testing.T, c *outbound.Client, addr netip.Addr, what string) {
	t.Helper()
	if outbound.Public(addr) {
		t.Errorf("%s (%s) counts as public", addr, what)
	}
	if err := c.Check("https://" + literal(addr) + "/"); job.MessageOf(err) != notAllowed || job.KindOf(err) != job.Invalid {
		t.Errorf("%s (%s) in a URL: got %v", addr, what, err)
	}
}

func literal(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return "[" + addr.String() + "]"
}

// TestPublicAddresses holds the ranges to their exact ends: the addresses beside
// each are public.
func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8",
		"2000::1", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700:4700::1111", "2a00:1450:4001::1",
		"3ffd::1", "3fff:1000::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::5eff:808:808",
	} {
		if !outbound.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{"fe80::1%eth0", "2606:4700:4700::1111%eth0", "4000::1", "1000::1", "0:1::1", "65::1"} {
		if outbound.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	if outbound.Public(netip.Addr{}) {
		t.Error("the zero address counts as public")
	}
}

// TestSpellings refuses addresses in each spelling that a resolver or a browser reads.
func TestSpellings(t *testing.T) {
	t.Parallel()
	c := outbound.New(outbound.Options{})
	for _, addr := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("10.0.0.1")} {
		a := addr.As4()
		n := binary.BigEndian.Uint32(a[:])
		for _, host := range []string{
			addr.String(), addr.String() + ".",
			fmt.Sprint(n), fmt.Sprintf("0x%x", n), fmt.Sprintf("0X%X", n), fmt.Sprintf("0%o", n), fmt.Sprintf("%d.", n),
			fmt.Sprintf("%d.%d", a[0], n&0xffffff), fmt.Sprintf("%d.%d.%d", a[0], a[1], n&0xffff),
			fmt.Sprintf("0%o.0%o.0%o.0%o", a[0], a[1], a[2], a[3]), fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", a[0], a[1], a[2], a[3]),
			fmt.Sprintf("%03d.%03d.%03d.%03d", a[0], a[1], a[2], a[3]), fmt.Sprintf("0x%x.%d", a[0], n&0xffffff), "0x",
			fmt.Sprintf("%d.%d.%d.0x%x", a[0], a[1], a[2], a[3]), fmt.Sprintf("%d.%d.%d.%d.5", a[0], a[1], a[2], a[3]),
			"[::ffff:" + addr.String() + "]", fmt.Sprintf("[0:0:0:0:0:ffff:%02x%02x:%02x%02x]", a[0], a[1], a[2], a[3]),
			"[::" + addr.String() + "]", "[64:ff9b::" + addr.String() + "]", "[::FFFF:" + addr.String() + "]",
		} {
			if err := c.Check("https://" + host + "/picture.jpg"); job.MessageOf(err) != notAllowed {
				t.Errorf("%s: got %v", host, err)
			}
		}
	}
	for _, host := range []string{
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "metadata.google.internal", "instance-data", "db", "printer.local",
		"router.lan", "x.home.arpa", "[::1]", "[::]", "[fe80::1%25eth0]", "[fd00:ec2::254]", "a..b.example", ".example.com",
		"-." + strings.Repeat("a", 64) + ".example", strings.Repeat("abcdefgh.", 30) + "example.com", "exa$mple.com", "a.0xffffffff",
	} {
		if err := c.Check("https://" + host + "/"); job.MessageOf(err) != notAllowed {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	c := outbound.New(outbound.Options{})
	for address, want := range map[string]string{
		"https://example.com":                              "",
		"https://EXAMPLE.com:443/a?b=c#d":                  "",
		"https://example.com./":                            "",
		"https://xn--bcher-kva.example.com/":               "",
		"https://under_score.example.com/":                 "",
		"https://8.8.8.8/":                                 "",
		"https://[2606:4700:4700::1111]/":                  "",
		"http://example.com/":                              "must begin with https://",
		"ftp://example.com/":                               "must begin with https://",
		"HTTPS://example.com/":                             "",
		"file:///etc/passwd":                               "not an absolute URL",
		"https:///a":                                       "not an absolute URL",
		"https:example.com":                                "not an absolute URL",
		"//example.com/":                                   "must begin with https://",
		"example.com":                                      "not an absolute URL",
		"":                                                 "not an absolute URL",
		"https://example.com:8443/":                        "port 443",
		"https://example.com:80/":                          "port 443",
		"https://example.com:0443/":                        "port 443",
		"https://example.com:x/":                           "not an absolute URL",
		"https://user@example.com/":                        "user name or a password",
		"https://user:secret@example.com/":                 "user name or a password",
		"https://@example.com/":                            "user name or a password",
		"https://example.com\\@127.0.0.1/":                 "visible ASCII",
		"https://exa mple.com/":                            "visible ASCII",
		"https://example.com/\r\nHost: a":                  "visible ASCII",
		"https://bücher.example/":                          "visible ASCII",
		"https://１２７.0.0.1/":                               "visible ASCII",
		"https://%31%32%37.0.0.1/":                         "not an absolute URL",
		"https://example.com/" + strings.Repeat("a", 2048): "more than 2048 bytes",
		"https://[::1/":                                    "not an absolute URL",
		"https://2606:4700:4700::1111/":                    "not an absolute URL",
	} {
		err := c.Check(address)
		if got := job.MessageOf(err); (want == "") != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("%.60q: got %v, want %q", address, err, want)
		}
		if err != nil && (job.KindOf(err) != job.Invalid || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%.60q: got %v of kind %s", address, err, job.KindOf(err))
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	prefixes := func(list ...string) (all []netip.Prefix) {
		for _, s := range list {
			all = append(all, netip.MustParsePrefix(s))
		}
		return all
	}
	for name, tt := range map[string]struct {
		allow outbound.Allow
		fine  []string
		not   []string
	}{
		"a name": {
			outbound.Allow{Hosts: []string{"receiver.internal", "localhost"}},
			[]string{"http://receiver.internal:8080/", "https://RECEIVER.internal./", "http://localhost/"},
			[]string{"http://x.receiver.internal/", "https://internal/", "http://127.0.0.1/", "http://example.com/"},
		},
		"a range": {
			outbound.Allow{Prefixes: prefixes("10.1.0.0/16", "127.0.0.0/8")},
			[]string{"http://10.1.2.3:9000/", "https://127.0.0.1/", "http://[::ffff:10.1.2.3]/", "http://db:80/", "http://a.internal/"},
			[]string{"http://10.2.0.1/", "https://10.2.0.1/", "https://[64:ff9b::10.1.2.3]/", "http://8.8.8.8/", "https://8.8.8.8:444/", "http://2130706433/", "ftp://127.0.0.1/", "http://a@127.0.0.1/"},
		},
		"everything": {
			outbound.Allow{Prefixes: prefixes("0.0.0.0/0", "::/0")},
			[]string{"http://10.1.2.3:9000/", "http://8.8.8.8/", "https://169.254.169.253/", "https://[fd00::1]/"},
			[]string{"https://169.254.169.254/", "https://169.254.170.2/", "https://[fd00:ec2::254]/", "https://[::ffff:169.254.169.254]/", "https://168.63.129.16/", "https://100.100.100.200/", "https://192.0.0.192/"},
		},
		"a metadata address": {
			outbound.Allow{Prefixes: prefixes("169.254.169.254/32")},
			[]string{"http://169.254.169.254/"},
			[]string{"http://169.254.169.253/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := outbound.New(outbound.Options{Allow: tt.allow})
			for _, address := range tt.fine {
				if err := c.Check(address); err != nil {
					t.Errorf("%s: %v", address, err)
				}
			}
			for _, address := range tt.not {
				if err := c.Check(address); job.KindOf(err) != job.Invalid {
					t.Errorf("%s: got %v", address, err)
				}
			}
		})
	}
}

// FuzzPublic holds the judgement to what the standard library knows of addresses, and an
// embedded address to the judgement of what it holds.
func FuzzPublic(f *testing.F) {
	for _, p := range outbound.Refused() {
		for _, addr := range ends(p) {
			f.Add(addr.AsSlice())
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok || !outbound.Public(addr) {
			return
		}
		plain := addr.Unmap()
		if !plain.IsGlobalUnicast() || plain.IsPrivate() || plain.IsLoopback() || plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified() {
			t.Errorf("%s counts as public", addr)
		}
		if plain.Is4() {
			for name, embed := range embeddings {
				if outbound.Public(embed(plain.As4())) != (name == "IPv4" || name == "IPv4-mapped" || name == "NAT64") {
					t.Errorf("%s as %s: wrong judgement", plain, name)
				}
			}
			return
		}
		b16 := plain.As16()
		if last := netip.AddrFrom4([4]byte(b16[12:])); netip.MustParsePrefix("64:ff9b::/96").Contains(plain) && !outbound.Public(last) {
			t.Errorf("%s counts as public, and holds %s", addr, last)
		}
	})
}

// FuzzCheck: what Check lets pass is https at port 443, and no address but a public one.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"https://example.com/", "https://127.0.0.1/", "https://[::1]:443/", "https://0x7f.1/", "https://a@b/", "http://x", "https://1.1.1.1:0443"} {
		f.Add(s)
	}
	c := outbound.New(outbound.Options{})
	f.Fuzz(func(t *testing.T, address string) {
		err := c.Check(address)
		if err != nil {
			if job.KindOf(err) != job.Invalid {
				t.Errorf("%q: %v", address, err)
			}
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
			t.Fatalf("%q passes", address)
		}
		host := strings.TrimSuffix(u.Hostname(), ".")
		if addr, err := netip.ParseAddr(host); err == nil {
			if !outbound.Public(addr) {
				t.Errorf("%q passes", address)
			}
			return
		}
		last := host[strings.LastIndexByte(host, '.')+1:]
		base := 10
		if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
			last, base = "0"+hex, 16
		}
		if _, err := strconv.ParseUint(last, base, 64); err == nil || errors.Is(err, strconv.ErrRange) || last == host {
			t.Errorf("%q passes", address)
		}
	})
}
