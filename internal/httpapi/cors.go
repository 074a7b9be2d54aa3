package httpapi

import (
	"net/http"
	"slices"
)

// cors lets the configured origins call from a browser (Fetch standard, CORS protocol).
// Credentials in the sense of cookies are never allowed: tokens travel in headers.
func (a *api) cors(next http.Handler) http.Handler {
	if len(a.CORSOrigins) == 0 {
		return next
	}
	everyone := slices.Contains(a.CORSOrigins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin != "" && (everyone || slices.Contains(a.CORSOrigins, origin)) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Link, Location, Retry-After, ETag, Content-Range, Preference-Applied, RateLimit, RateLimit-Policy, Repr-Digest, X-Request-Id")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
				h.Set("Access-Control-Allow-Headers", a.AuthHeader+", Cancel-After, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Last-Event-ID, Prefer, Range")
				h.Set("Access-Control-Max-Age", "7200")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// crossOrigin returns the protection of a server without tokens from changes by pages of other
// origins: a form that a page posts needs no permission by CORS. It is nil if the server
// requires tokens, which pages of other origins do not have, and if CORS_ORIGINS permits all
// origins.
func (a *api) crossOrigin() *http.CrossOriginProtection {
	if _, open := a.Auth.(Anonymous); !open || slices.Contains(a.CORSOrigins, "*") {
		return nil
	}
	trusted := slices.Clone(a.CORSOrigins)
	if a.PublicURL != nil {
		trusted = append(trusted, a.PublicURL.Scheme+"://"+a.PublicURL.Host)
	}
	p := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		_ = p.AddTrustedOrigin(origin) // one that is not an origin stays untrusted
	}
	return p
}
