package main

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// dataHeader is how two local services on one machine speak of their data: a request to
// /health that has it is answered with it, and there it names the data folder.
const dataHeader = "Claimcheck-Local-Data"

// withData serves next, and names the data folder to another `claimcheck local`.
//
// The name of a folder contains the name of a user, so no web page and no caller from
// elsewhere gets it: a page cannot send the header to another origin without a preflight
// request, which nothing here allows, and a page whose own name resolves to this machine
// sends that name as the host. A tunnel or proxy adds headers that name its client.
func withData(folder string, next http.Handler) http.Handler {
	value := url.PathEscape(folder)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" && r.Header[dataHeader] != nil && fromThisMachine(r) {
			w.Header().Set(dataHeader, value)
		}
		next.ServeHTTP(w, r)
	})
}

// fromThisMachine reports whether a program on this machine sent r, by an address of the
// loopback interface, and for itself.
func fromThisMachine(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via", "Origin"} {
		if r.Header[h] != nil {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host, err := netip.ParseAddrPort(r.Host)
	return err == nil && host.Addr().IsLoopback()
}

// neighbourTimeout bounds how long an unknown program on the port may take to answer.
const neighbourTimeout = 3 * time.Second

// neighbourData asks the program that listens on addr for its data folder. The second
// result is false when that program is not a local Claimcheck.
func neighbourData(ctx context.Context, addr string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, neighbourTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		return "", false
	}
	r.Header.Set(dataHeader, "?")
	transport := &http.Transport{ // without a proxy of the environment
		DialContext:            (&net.Dialer{}).DialContext,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	folder, err := url.PathUnescape(resp.Header.Get(dataHeader))
	// The text of another program goes to a terminal: no control characters.
	ok := err == nil && filepath.IsAbs(folder) && !strings.ContainsFunc(folder, unicode.IsControl)
	return folder, ok
}
