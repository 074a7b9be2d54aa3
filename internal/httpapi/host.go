package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"claimcheck.example/internal/job"
)

// admit refuses requests for another host. If the browser's place in the network authorizes a
// request, and not a token, admit also refuses requests by pages of another origin.
func (a *api) admit(next http.Handler) http.Handler {
	origins := a.crossOrigin()
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := requestOf(hr)
		switch {
		case hr.Host != "" && !validHost(hr.Host):
			a.problem(w, r, job.Errorf(job.Invalid, "the Host header is not a host name or address with an optional port"))
		case a.Hosts != nil && !a.Hosts(hr.Host):
			err := job.Errorf(job.Denied, "this server does not answer to this host; use localhost, or set PUBLIC_URL to the URL by which clients reach it")
			a.problem(w, r, &statusError{err, http.StatusMisdirectedRequest, "misdirected_request"})
		case origins != nil && origins.Check(hr) != nil:
			a.problem(w, r, job.Errorf(job.Denied, "a page of another origin may not do this; CORS_ORIGINS of the server lists the origins that may"))
		default:
			next.ServeHTTP(w, hr)
		}
	})
}

// validHost reports whether a URL can begin with host: a name or an address in ASCII, IPv6 in
// brackets, and an optional port.
func validHost(host string) bool {
	u, err := url.Parse("http://" + host + "/")
	if err != nil || u.Host != host || u.Hostname() == "" {
		return false
	}
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	if strings.ContainsAny(host, "[]") || strings.Contains(u.Hostname(), ":") {
		addr, err := netip.ParseAddr(u.Hostname())
		if err != nil || !addr.Is6() || !strings.HasPrefix(host, "[") {
			return false
		}
	}
	if port := u.Port(); port != "" {
		_, err := strconv.ParseUint(port, 10, 16)
		return err == nil
	}
	return true
}
