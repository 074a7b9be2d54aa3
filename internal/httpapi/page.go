package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

//go:embed page
var pageFiles embed.FS

// Login describes how people get a token for the page. The zero value: they need none.
type Login struct {
	// Issuers are the providers whose tokens are accepted.
	Issuers []string `json:"issuers"`
	// Audiences are the accepted audiences of a token.
	Audiences []string `json:"audiences"`
	// AudienceClaim is the claim of a token with one of them.
	AudienceClaim string `json:"audience_claim"`
	// ClientID is the page's own at the first issuer, a public client with PKCE; empty:
	// people paste a token.
	ClientID string `json:"client_id"`
	Scopes   string `json:"scopes"`
}

// document is a part of the page that a browser fetches. It changes only with the program.
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

// answer writes the document, or 304 if the client has it.
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

// newFolder returns the files of the page, by name.
func (a *api) newFolder() map[string]document {
	const script = "text/javascript; charset=utf-8"
	// A worker is held by the policy of its own script, so that the page need not be allowed
	// as much. The worker that uploads directly may talk to whatever storage the service
	// names: its host depends on bucket and region, or is an operator's own. The worker that
	// signs in talks to the endpoints that the provider's own description names.
	folder := map[string]document{
		"icon.svg":  newDocument("image/svg+xml", "default-src 'none'", pageFile("icon.svg")),
		"upload.js": newDocument(script, "default-src 'none'; connect-src https: http:", pageFile("upload.js")),
		"docs.js":   newDocument(script, "default-src 'none'", pageFile("docs.js")),
	}
	if a.Login.ClientID != "" {
		connect := "https:"
		if u, err := url.Parse(a.Login.Issuers[0]); err == nil && u.Scheme == "http" { // a provider in development
			connect += " " + u.Scheme + "://" + u.Host
		}
		folder["login.js"] = newDocument(script, "default-src 'none'; connect-src "+connect, pageFile("login.js"))
	}
	return folder
}

// scripts are the parts of the page's program, in order.
var scripts = []string{"client-zip.js", "talk.js", "session.js", "params.js", "copy.js", "card.js", "deliveries.js", "live.js", "jobs.js", "usage.js", "page.js"}

// newPage returns the page with its style and program within: one request fetches it, and
// hashes allow just these two to take effect. By 'self' any output of a job would be
// allowed as well, and those are strangers' bytes.
func (a *api) newPage() document {
	accepts := a.Accepts
	if accepts == nil {
		accepts = func(string) bool { return true }
	}
	formats, types := imageinfo.Taken(accepts)
	parts := make([][]byte, len(scripts))
	for i, name := range scripts {
		parts[i] = pageFile(name)
	}
	style, script := string(pageFile("page.css")), string(bytes.Join(parts, []byte("\n")))
	config, err := json.Marshal(struct { // escapes what would end the element that it is in
		AuthHeader string          `json:"auth_header"`
		Login      Login           `json:"login"`
		Schema     json.RawMessage `json:"schema"`
		Calls      []string        `json:"calls"`
		Webhooks   bool            `json:"webhooks"`
	}{a.AuthHeader, a.Login, a.ParamsSchema, a.calls(), a.sendsWebhooks()})
	if err != nil {
		panic(err) // the types are ours, and the schema has been read
	}
	body := strings.NewReplacer("{{style}}", style, "{{script}}", script, "{{config}}", string(config),
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

// sendsWebhooks reports whether there is anything to show of webhooks.
func (a *api) sendsWebhooks() bool {
	if a.Service == nil { // the documents alone are served
		return false
	}
	_, err := a.Service.WebhookKeys()
	return err == nil
}

// calls lists the supported calls, so that the page offers no other.
func (a *api) calls() (list []string) {
	for _, rt := range a.routes {
		for method := range rt.methods {
			list = append(list, method+" "+rt.pattern)
		}
	}
	slices.Sort(list)
	return list
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

// documents are the handler's own documents, each created at its first request.
type documents struct {
	page, params, docs func() document
	folder             func() map[string]document
}

func (a *api) newDocuments() documents {
	return documents{
		page:   sync.OnceValue(a.newPage),
		params: sync.OnceValue(func() document { return newDocument("application/schema+json", "", a.ParamsSchema) }),
		docs:   sync.OnceValue(newDocs),
		folder: sync.OnceValue(a.newFolder),
	}
}

// page answers GET /.
func (a *api) page(w http.ResponseWriter, r *request) error {
	a.own.page().answer(w, r)
	return nil
}

// params answers GET /params.
func (a *api) params(w http.ResponseWriter, r *request) error {
	a.own.params().answer(w, r)
	return nil
}

// pageFile answers GET /page/{file}.
func (a *api) pageFile(w http.ResponseWriter, r *request) error {
	name := r.PathValue("file")
	if name == explorerName {
		explorer(w, r)
		return nil
	}
	d, ok := a.own.folder()[name]
	if !ok {
		return job.Errorf(job.NotFound, "the page has no such file")
	}
	d.answer(w, r)
	return nil
}
