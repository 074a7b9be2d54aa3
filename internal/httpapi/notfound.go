package httpapi

import (
	"html"
	"net/http"
	"strings"
)

// wantsPage reports whether a person has opened this URL in a browser, which would show a
// problem document as raw JSON.
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		name, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "text/html") {
			return true
		}
	}
	return false
}

// problemPage answers with a problem as a page that links back.
func (a *api) problemPage(w http.ResponseWriter, r *request, p Problem) {
	style := string(pageFile("problem.css"))
	detail := strings.ToUpper(p.Detail[:1]) + strings.TrimSuffix(p.Detail[1:], ".") + "."
	body := strings.NewReplacer("{{style}}", style, "{{title}}", html.EscapeString(p.Title), "{{detail}}", html.EscapeString(detail),
		"{{home}}", html.EscapeString(r.base+"/"), "{{request}}", html.EscapeString(r.id)).Replace(string(pageFile("problem.html")))
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+hashSource(style)+"; form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	writeBody(w, p.Status, "text/html; charset=utf-8", []byte(body))
}
