package httpapi

import (
	"net/http"
	"strings"

	"claimcheck.example/internal/job"
)

// base returns the beginning of every URL, without a final slash: the public URL if there is
// one, else the scheme and host of the request.
func (a *api) base(r *http.Request) string {
	if a.PublicURL != nil {
		return strings.TrimSuffix(a.PublicURL.String(), "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if p := r.Header.Get("X-Forwarded-Proto"); p == "http" || p == "https" {
		scheme = p
	}
	return scheme + "://" + r.Host
}

// jobURL is where a job's status is.
func (r *request) jobURL(id job.ID) string { return r.base + "/jobs/" + id.String() }
