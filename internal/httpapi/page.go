package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

//go:embed page
var pageFiles embed.FS

// document is something of our own that a browser fetches; it changes with the program
// alone.
type document struct {
	contentType string
	policy      string // Content-Security-Policy; empty for none
	body        []byte
	etag        string
}

func newDocument(contentType, policy string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{contentType, policy, body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// answer writes the document, or that the client has it already.
func (d document) answer(w http.ResponseWriter, r *request) {
	h := w.Header()
	h.Set("ETag", d.etag)
	h.Set("Cache-Control", "public, no-cache") // asked for each time, sent when it is another
	if matches(r.Header.Values("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", d.contentType)
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if d.policy != "" {
		h.Set("Content-Security-Policy", d.policy)
		h.Set("Referrer-Policy", "no-referrer")
	}
	w.Write(d.body) // a client that is gone is seen by the server itself
}

// pageFolder holds what the page fetches beside itself, by name.
var pageFolder = sync.OnceValue(func() map[string]document {
	return map[string]document{
		"icon.svg": newDocument("image/svg+xml", "default-src 'none'", pageFile("icon.svg")),
		// The worker that uploads directly may talk to whatever storage the service names:
		// its host depends on bucket and region, or is an operator's own. A worker is held by
		// the policy of its own script, so that the page need not be allowed as much.
		"upload.js": newDocument("text/javascript; charset=utf-8", "default-src 'none'; connect-src https: http:", pageFile("upload.js")),
	}
})

// newPage returns the page with its style and program within: one request fetches it, and
// hashes allow just these two to take effect. By 'self' any output of a job would be
// allowed as well, and those are strangers' bytes.
func newPage(authHeader string, accepts func(contentType string) bool) document {
	if accepts == nil {
		accepts = func(string) bool { return true }
	}
	formats, types := imageinfo.Taken(accepts)
	style := string(pageFile("page.css"))
	script := string(bytes.Join([][]byte{pageFile("talk.js"), pageFile("card.js"), pageFile("page.js")}, []byte("\n")))
	body := strings.NewReplacer("{{style}}", style, "{{script}}", script, "{{auth-header}}", html.EscapeString(authHeader),
		"{{formats}}", html.EscapeString(formats), "{{types}}", html.EscapeString(types)).Replace(string(pageFile("index.html")))
	policy := strings.Join([]string{
		"default-src 'none'",
		"script-src " + hashSource(script),
		"style-src " + hashSource(style),
		"img-src 'self' blob:",
		"connect-src 'self'",
		"worker-src 'self'",
		"form-action 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	return newDocument("text/html; charset=utf-8", policy, []byte(body))
}

// hashSource allows one inline script or style (Content Security Policy 3, 2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func pageFile(name string) []byte {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}

// page answers GET /.
func (a *api) page(w http.ResponseWriter, r *request) error {
	a.thePage().answer(w, r)
	return nil
}

// pageFile answers GET /page/{file}.
func (a *api) pageFile(w http.ResponseWriter, r *request) error {
	d, ok := pageFolder()[r.PathValue("file")]
	if !ok {
		return job.Errorf(job.NotFound, "the page has no such file")
	}
	d.answer(w, r)
	return nil
}
