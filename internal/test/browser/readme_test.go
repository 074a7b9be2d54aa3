package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
)

// readmePage returns the page of an app in README.md.
func readmePage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(awstest.Module("README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- run in a browser -->\n\n```html\n")
	page, _, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatal("README.md has no page to be run in a browser")
	}
	return page
}

// TestPageOfTheREADME chooses a photograph on the README's page at another origin, sees the
// result, and deletes it: on an anonymous service, and with a token.
func TestPageOfTheREADME(t *testing.T) {
	t.Parallel()
	issuer := apptest.StartProvider(t)
	tests := []struct {
		name, headers string
		vars          []string
	}{
		{"anonymous", "{}", nil},
		{"signed in", "{ Authorization: `" + issuer.Bearer("ada") + "` }", []string{"OIDC_ISSUER=" + issuer.URL, "OIDC_AUDIENCE=claimcheck"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var page string
			app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					w.WriteHeader(http.StatusNoContent) // the icon that the browser asks for
					return
				}
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte(page))
			}))
			t.Cleanup(app.Close)
			s := apptest.Start(t, append(tt.vars, "CORS_ORIGINS="+app.URL, "LINK_KEY="+strings.Repeat("k", 32))...)
			s.StartWorker(t)
			const api, headers = "'http://localhost:8080'", "headers = {}"
			page = readmePage(t)
			if !strings.Contains(page, api) || !strings.Contains(page, headers) {
				t.Fatalf("the page names neither the service nor its headers: %s", page)
			}
			page = strings.NewReplacer(api, "'"+s.URL+"'", headers, "headers = "+tt.headers).Replace(page)
			b := open(t, app.URL, look{})
			b.mayVisit(s.URL)
			b.do(chromedp.SetUploadFiles(chromedp.CSS("input"), []string{rainier()}))
			b.until(`document.querySelector("img").complete && document.querySelector("img").naturalWidth === 320`)
			if got := eval[float64](b, `document.querySelector("img").naturalHeight`); got != 427 {
				t.Errorf("the result has a height of %v", got)
			}
			link := eval[string](b, `document.querySelector("img").src`)
			if a := apptest.Get(t, link); a.StatusCode != http.StatusOK {
				t.Fatalf("the link to the result: %s", a.Status)
			}
			b.do(chromedp.Click(chromedp.CSS("button")))
			b.until(`document.querySelector("button")?.hidden === true`)
			if a := apptest.Get(t, link); a.StatusCode != http.StatusNotFound {
				t.Errorf("the link after the deletion: %s", a.Status)
			}
		})
	}
}
