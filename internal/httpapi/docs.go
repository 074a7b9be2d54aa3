package httpapi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"net/http"
	"strings"
	"sync"
)

// explorerGzip renders the description of the API in a browser: openapi-explorer 2.4.820
// of npm, its dist/browser/openapi-explorer.min.js, Apache License 2.0.
//
//go:embed explorer/openapi-explorer.min.js.gz
var explorerGzip []byte

const explorerName = "openapi-explorer.js"

var theExplorer = sync.OnceValue(func() document {
	return newDocument("text/javascript; charset=utf-8", "default-src 'none'", explorerGzip)
})

// explorer answers with the program as it is kept, compressed, where the client can read
// that; every browser can.
func explorer(w http.ResponseWriter, r *request) {
	d := theExplorer()
	w.Header().Set("Vary", "Accept-Encoding")
	if takesGzip(r.Header) {
		if !matches(r.Header.Values("If-None-Match"), d.etag) {
			w.Header().Set("Content-Encoding", "gzip")
		}
		d.answer(w, r)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(d.body))
	if err == nil {
		d.body, err = io.ReadAll(z)
	}
	if err != nil {
		panic(err) // it is embedded
	}
	newDocument(d.contentType, d.policy, d.body).answer(w, r)
}

func takesGzip(h http.Header) bool {
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.Trim(strings.TrimSpace(weight), "q=0.") != "" || strings.TrimSpace(weight) == ""
		}
	}
	return false
}

// newDocs returns the page that shows the description of the API. It has no script of its
// own within and nothing of a user's, so that 'self' is strict enough here; the renderer
// writes its styles itself.
func newDocs() document {
	policy := strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'unsafe-inline'",
		"img-src 'self' data:",
		"connect-src 'self'",
		"form-action 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	return newDocument("text/html; charset=utf-8", policy, pageFile("docs.html"))
}

// docs answers GET /docs.
func (a *api) docs(w http.ResponseWriter, r *request) error {
	a.own.docs().answer(w, r)
	return nil
}
