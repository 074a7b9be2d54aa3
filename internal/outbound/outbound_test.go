package outbound_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/outbound"
	"claimcheck.example/internal/test/program"
)

// TestMain names a proxy that nothing answers at: whatever used it would fail.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	os.Exit(m.Run())
}

const long = time.Hour

var loopback = netip.MustParsePrefix("127.0.0.1/32")

// serve starts a TLS server and returns a client that may speak to it. Its host name is
// example.com, by a DNS of the test's own.
func serve(t *testing.T, h http.HandlerFunc) (c *outbound.Client, address string) {
	t.Helper()
	s := quiet(t, h)
	s.StartTLS()
	return client(t, s, outbound.Allow{Prefixes: []netip.Prefix{loopback}}), named(s.Listener.Addr())
}

// quiet is a server that logs no failed handshakes.
func quiet(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, s *httptest.Server, allow outbound.Allow) *outbound.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	z := &zone{answers: [][]netip.Addr{{loopback.Addr()}}}
	return outbound.New(outbound.Options{Allow: allow, RootCAs: roots, Resolver: z.resolver(t), UserAgent: "Claimcheck/test"}).
		Hasten(long, long, long, long, long)
}

func named(addr net.Addr) string {
	return fmt.Sprintf("https://example.com:%d", addr.(*net.TCPAddr).Port)
}

func read(c *outbound.Client, address string) (string, error) {
	body, _, err := c.Fetch(context.Background(), address)
	if err != nil {
		return "", err
	}
	defer body.Close()
	all, err := io.ReadAll(body)
	return string(all), err
}

func TestFetch(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []http.Header
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header)
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if r.URL.Path != "/3" {
			http.Redirect(w, r, "/"+fmt.Sprint(len(r.URL.Path)+len(r.URL.RawQuery)-1), http.StatusFound)
			return
		}
		io.WriteString(w, "picture")
	})
	body, size, err := c.Fetch(t.Context(), address+"/3")
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(body)
	if body.Close(); string(all) != "picture" || size != 7 || err != nil {
		t.Errorf("got %q, %d bytes, %v", all, size, err)
	}
	got, err := read(c, address+"/?ab") // to /2, to /1, and on; never to /3
	if got != "" || job.MessageOf(err) != "the server redirects more than 3 times" || job.KindOf(err) != job.Upstream {
		t.Errorf("after four redirects: got %q, %v", got, err)
	}
	got, err = read(c, address+"/?secret=1")
	if got != "" || err == nil {
		t.Errorf("got %q, %v", got, err)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, h := range seen {
		if h.Get("Cookie") != "" || h.Get("Referer") != "" || h.Get("Accept-Encoding") != "identity" || h.Get("User-Agent") != "Claimcheck/test" || h.Get("Authorization") != "" {
			t.Errorf("request %d has the headers %v", i, h)
		}
	}
	if len(seen) != 1+4+4 {
		t.Errorf("%d requests came", len(seen))
	}
}

func TestRedirectsAreJudged(t *testing.T) {
	t.Parallel()
	var to atomic.Value
	hits := &atomic.Int32{}
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hit" {
			hits.Add(1)
			io.WriteString(w, "here")
			return
		}
		w.Header().Set("Location", to.Load().(string))
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	port := address[strings.LastIndexByte(address, ':'):]
	for location, want := range map[string]string{
		"/hit":                     "",
		address + "/hit":           "",
		"https://127.0.0.2" + port: "port 443",
		"https://127.0.0.2/":       notAllowed,
		"https://169.254.169.254/": notAllowed,
		"https://[::1]/":           notAllowed,
		"https://2130706433/":      notAllowed,
		"https://u:p@example.com/": "user name",
		"ftp://example.com/":       "https://",
		"file:///etc/passwd":       "not an absolute URL",
		"http://169.254.169.254/":  "https://",
		"gopher://127.0.0.1:25/":   "https://",
		"https://example.com/\x7f": "rules of HTTP",
		"//169.254.169.254/latest": notAllowed,
	} {
		to.Store(location)
		_, err := read(c, address+"/")
		if got := job.MessageOf(err); (want == "") != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("to %s: got %v, want %q", location, err, want)
		}
	}
	if hits.Load() != 2 {
		t.Errorf("%d redirects were followed, want 2", hits.Load())
	}
}

// TestBadServers fetches from servers that do not do their part.
func TestBadServers(t *testing.T) {
	t.Parallel()
	hold := func(r *http.Request) { <-r.Context().Done() }
	abort := func(w http.ResponseWriter, reset bool) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		if raw, ok := conn.(*tls.Conn); ok && reset {
			raw.NetConn().(*net.TCPConn).SetLinger(0)
			raw.NetConn().Close()
			return
		}
		conn.Close()
	}
	raw := func(w http.ResponseWriter, s string) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, s)
		conn.Close()
	}
	short := 50 * time.Millisecond
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		hasten  func(c *outbound.Client)
		want    string
	}{
		"not found":        {handler: http.NotFound, want: "the server answers 404 Not Found"},
		"its own phrase":   {handler: func(w http.ResponseWriter, r *http.Request) { raw(w, "HTTP/1.1 599 <script>\r\n\r\n") }, want: "the server answers 599"},
		"a part":           {handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206) }, want: "the server answers 206 Partial Content"},
		"a redirect to no": {handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(302) }, want: "the server answers 302 Found"},
		"gzip": {handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 1<<20))
			z.Close()
		}, want: "Content-Encoding"},
		"closes": {handler: func(w http.ResponseWriter, r *http.Request) { abort(w, false) }, want: "breaks off"},
		"resets": {handler: func(w http.ResponseWriter, r *http.Request) { abort(w, true) }, want: "breaks off"},
		"breaks off": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
		}, want: "breaks off"},
		"half a chunk": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc")
		}, want: "breaks off"},
		"bad chunks": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc")
		}, want: "rules of HTTP"},
		"two lengths": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc")
		}, want: "rules of HTTP"},
		"no HTTP": {handler: func(w http.ResponseWriter, r *http.Request) { raw(w, "220 mail.example ESMTP\r\n") }, want: "rules of HTTP"},
		"endless headers": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 20000)+"\r\n")
		}, want: "rules of HTTP"},
		"endless informational answers": {handler: func(w http.ResponseWriter, r *http.Request) {
			raw(w, strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 5000)+"HTTP/1.1 200 OK\r\n\r\n")
		}, want: "rules of HTTP"},
		"says nothing": {
			handler: func(w http.ResponseWriter, r *http.Request) { hold(r) },
			hasten:  func(c *outbound.Client) { c.Hasten(long, short, long, long, long) }, want: "the server sends no answer within 50ms",
		},
		"redirects slowly": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					http.Redirect(w, r, "/next", http.StatusFound)
					return
				}
				hold(r)
			},
			hasten: func(c *outbound.Client) { c.Hasten(long, 300*time.Millisecond, long, long, long) }, want: "the server sends no answer within 300ms",
		},
		"stops": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "abc")
				http.NewResponseController(w).Flush()
				hold(r)
			},
			hasten: func(c *outbound.Client) { c.Hasten(long, long, short, long, long) }, want: "the server sends nothing for 50ms",
		},
		"drips": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, "a"); err != nil {
						return
					}
					http.NewResponseController(w).Flush()
				}
			},
			hasten: func(c *outbound.Client) { c.Hasten(long, long, long, 300*time.Millisecond, long) }, want: "the server takes longer than 300ms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, address := serve(t, tt.handler)
			if tt.hasten != nil {
				tt.hasten(c)
			}
			_, err := read(c, address+"/?secret=1")
			if got := job.MessageOf(err); !strings.Contains(got, tt.want) || job.KindOf(err) != job.Upstream {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the error has the URL: %v", err)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	plain, other := quiet(t, http.NotFoundHandler()), quiet(t, http.NotFoundHandler())
	plain.Start()
	other.StartTLS()
	const gone = "127.0.0.1:1" // a port that was free a moment ago may be another test's now
	c := client(t, other, outbound.Allow{Prefixes: []netip.Prefix{loopback}})
	stranger := outbound.New(outbound.Options{Allow: outbound.Allow{Prefixes: []netip.Prefix{loopback}}})
	empty := outbound.New(outbound.Options{Allow: outbound.Allow{Hosts: []string{"gone.example"}}, Resolver: (&zone{answers: [][]netip.Addr{nil}}).resolver(t)})
	misnamed := outbound.New(outbound.Options{Allow: outbound.Allow{Hosts: []string{"other.example"}}, Resolver: (&zone{answers: [][]netip.Addr{{loopback.Addr()}}}).resolver(t)})
	port := func(s *httptest.Server) string { return s.URL[strings.LastIndexByte(s.URL, ':'):] }
	for name, tt := range map[string]struct {
		client        *outbound.Client
		address, want string
	}{
		"no such name":    {empty, "https://gone.example/", "the host name does not resolve"},
		"nothing listens": {c, "https://" + gone, "the server refuses the connection"},
		"no TLS":          {c, "https://127.0.0.1" + port(plain), "the server does not speak TLS"},
		"another name":    {misnamed, "https://other.example" + port(other), "the certificate of the server is not valid for this host"},
		"unknown issuer":  {stranger, "https://127.0.0.1" + port(other), "the certificate of the server is not valid for this host"},
		"it speaks HTTPS": {c, "https://127.0.0.1" + port(other), "the server answers 404 Not Found"},
		"plain, allowed":  {c, "http://127.0.0.1" + port(plain), "the server answers 404 Not Found"},
	} {
		_, err := read(tt.client, tt.address)
		if job.MessageOf(err) != tt.want || job.KindOf(err) != job.Upstream {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestTheCallerLeaves(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, _, err := c.Fetch(ctx, address); job.KindOf(err) != job.Canceled {
		t.Errorf("got %v", err)
	}
	if _, err := c.Post(ctx, address, nil, nil); job.KindOf(err) != job.Canceled {
		t.Errorf("got %v", err)
	}
}

// TestRebinding has a name whose address changes between a look-up and the connection. The
// connection goes to no address that is not permitted.
func TestRebinding(t *testing.T) {
	t.Parallel()
	victim, fine := pair(t)
	good, bad := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	for name, tt := range map[string]struct {
		answers [][]netip.Addr
		want    string // what comes; empty: the address is refused
	}{
		"fine, and stays":              {[][]netip.Addr{{good}}, "fine"},
		"fine, then the victim":        {[][]netip.Addr{{good}, {bad}}, ""},
		"the victim, then fine":        {[][]netip.Addr{{bad}, {good}}, "fine"},
		"both at once":                 {[][]netip.Addr{{bad, good}}, "fine"},
		"the victim, IPv4-mapped":      {[][]netip.Addr{{netip.MustParseAddr("::ffff:127.0.0.1")}}, ""},
		"the victim, IPv4-compatible":  {[][]netip.Addr{{netip.MustParseAddr("::127.0.0.1")}}, ""},
		"loopback of IPv6":             {[][]netip.Addr{{netip.MustParseAddr("::1")}}, ""},
		"unspecified, which is a host": {[][]netip.Addr{{netip.MustParseAddr("0.0.0.0")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver := (&zone{answers: tt.answers}).resolver(t)
			c := outbound.New(outbound.Options{Resolver: resolver, Allow: outbound.Allow{Prefixes: []netip.Prefix{netip.PrefixFrom(good, 32)}}})
			// The look-up of a guard that would judge by it.
			if _, err := resolver.LookupNetIP(t.Context(), "ip", "rebind.example"); err != nil {
				t.Fatal(err)
			}
			got, err := read(c, fmt.Sprintf("http://rebind.example:%d/", fine))
			switch {
			case tt.want != "" && (got != tt.want || err != nil):
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			case tt.want == "" && (job.MessageOf(err) != notAllowed || job.KindOf(err) != job.Invalid):
				t.Errorf("got %q, %v, want %q", got, err, notAllowed)
			}
			if n := victim.Load(); n != 0 {
				t.Errorf("%d connections came to the victim", n)
			}
		})
	}
}

// pair starts two servers on one port of two addresses of this machine.
func pair(t *testing.T) (victim *atomic.Int32, port int) {
	t.Helper()
	victim = &atomic.Int32{}
	for range 100 {
		fine, err := net.Listen("tcp4", "127.0.0.2:0")
		if err != nil {
			program.Lacks(t, "this machine has one loopback address alone: %v", err)
		}
		port = fine.Addr().(*net.TCPAddr).Port
		bad, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			fine.Close()
			continue
		}
		for _, l := range []net.Listener{fine, bad} {
			s := &http.Server{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }),
				ConnState: func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew && l == bad {
						victim.Add(1)
					}
				},
			}
			go s.Serve(l)
			t.Cleanup(func() { s.Close() })
		}
		return victim, port
	}
	t.Fatal("no port is free on two addresses")
	return nil, 0
}

func TestPost(t *testing.T) {
	t.Parallel()
	type received struct {
		header http.Header
		body   string
		host   string
	}
	got := make(chan received, 10)
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header, string(body), r.Method + " " + r.URL.Path}
		switch r.URL.Path {
		case "/found":
			http.Redirect(w, r, "/other", http.StatusFound)
		case "/moved":
			http.Redirect(w, r, "/other", http.StatusPermanentRedirect)
		case "/busy":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/large":
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for path, want := range map[string]outbound.Answer{
		"/hook": {Status: 204}, "/moved": {Status: 308}, "/found": {Status: 302}, "/busy": {Status: 503, RetryAfter: 2 * time.Minute}, "/large": {Status: 200},
	} {
		answer, err := c.Post(t.Context(), address+path, http.Header{"Webhook-Id": {"1"}, "Content-Type": {"application/json"}}, []byte(`{"a":1}`))
		if err != nil || answer != want {
			t.Errorf("%s: got %v, %v, want %v", path, answer, err, want)
		}
		r := <-got
		if r.body != `{"a":1}` || r.host != "POST "+path || r.header.Get("Webhook-Id") != "1" || r.header.Get("Content-Type") != "application/json" || r.header.Get("User-Agent") != "Claimcheck/test" {
			t.Errorf("%s: the server got %v", path, r)
		}
	}
	if len(got) != 0 {
		t.Errorf("a redirect was followed: %v", <-got)
	}
	_, err := c.Post(t.Context(), "https://127.0.0.2/", nil, nil)
	if job.MessageOf(err) != notAllowed || job.KindOf(err) != job.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestPostEnds(t *testing.T) {
	t.Parallel()
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
		<-r.Context().Done()
	})
	c.Hasten(long, long, long, long, 50*time.Millisecond)
	if _, err := c.Post(t.Context(), address, nil, []byte("a")); job.MessageOf(err) != "the server sends no answer within 50ms" || job.KindOf(err) != job.Upstream {
		t.Errorf("got %v", err)
	}
}

func TestClosedBody(t *testing.T) {
	t.Parallel()
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	body, size, err := c.Fetch(t.Context(), address)
	if err != nil || size != -1 {
		t.Fatal(size, err)
	}
	if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
		t.Error(err)
	}
	body.Close()
	if _, err := body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a closed body reads on: %v", err)
	}
}

// ending is a body that ends in good order once its connection is given up.
type ending struct{ ctx context.Context }

func (e ending) Read([]byte) (int, error) {
	<-e.ctx.Done()
	return 0, io.EOF
}

func (e ending) Close() error { return nil }

// TestAnEndAfterTheEnd: a server that sees the connection close may end its chunked body
// before the client is gone. Such a body is not whole.
func TestAnEndAfterTheEnd(t *testing.T) {
	t.Parallel()
	body := outbound.Body(t.Context(), time.Millisecond, func(ctx context.Context) io.ReadCloser { return ending{ctx} })
	if _, err := io.ReadAll(body); job.MessageOf(err) != "the server sends nothing for 1ms" {
		t.Errorf("got %v", err)
	}
}

// TestPermittedRangesPermitNoMore: while a range is permitted, names pass by any scheme and
// port until their address is known. Public servers are then still spoken to by https at
// port 443 alone. No connection is made.
func TestPermittedRangesPermitNoMore(t *testing.T) {
	t.Parallel()
	z := &zone{answers: [][]netip.Addr{{netip.MustParseAddr("8.8.8.8")}}}
	c := outbound.New(outbound.Options{Resolver: z.resolver(t), Allow: outbound.Allow{Prefixes: []netip.Prefix{loopback}}})
	for _, address := range []string{"http://public.example/", "http://public.example:443/", "https://public.example:444/"} {
		if err := c.Check(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := read(c, address); job.MessageOf(err) != notAllowed {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
