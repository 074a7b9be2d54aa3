package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/test/service"
)

// startLocal starts `claimcheck local` and returns it with its addresses and data folder.
func startLocal(t *testing.T, vars ...string) (api, s3, sqs, data string) {
	t.Helper()
	flags := service.LocalFlags(t)
	service.StartLocal(t, flags, vars...)
	value := func(flag string) string { _, v, _ := strings.Cut(flag, "="); return v }
	return "http://127.0.0.1:" + value(flags[0]), "http://127.0.0.1:" + value(flags[1]), "http://127.0.0.1:" + value(flags[2]), value(flags[3])
}

// stored returns the number of objects under a prefix in a data folder.
func stored(t *testing.T, data, prefix string) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(data, "s3", "claimcheck", prefix))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(files)
}

// visit opens a page without restrictions.
func visit(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(running(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, origin: url, folder: t.ArtifactDir()}
	b.do(chromedp.Navigate(url))
	return b
}

// post makes a page submit a form with one field, which needs no permission by CORS.
const post = `(() => {
	const form = document.createElement("form");
	form.action = %s; form.method = "post"; form.enctype = "multipart/form-data";
	const field = document.createElement("input");
	field.name = %s; field.value = "x"; form.append(field); document.body.append(form); form.submit();
})()`

// TestLocalIsClosedToOtherPages tries the requests that a browser permits to the pages of
// another site, and of a site whose name resolves to this machine.
func TestLocalIsClosedToOtherPages(t *testing.T) {
	t.Parallel()
	api, s3, sqs, data := startLocal(t)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>stranger</title><body>"))
	}))
	defer stranger.Close()
	renamed := func(url string) string { return strings.Replace(url, "127.0.0.1", rebound, 1) }

	for name, page := range map[string]string{"of another site": renamed(stranger.URL), "of another port": stranger.URL} {
		forms := map[string]string{api + "/jobs": "another origin", s3 + "/claimcheck": "may not write here", sqs + "/": "may not write here"}
		b := visit(t, page)
		for target, want := range forms {
			b.do(chromedp.Navigate(page))
			eval[any](b, post, target, "image")
			b.until("document.documentElement.textContent.includes(%s)", want)
		}
		b.do(chromedp.Navigate(page))
		// The service does not read a cross-origin answer to the page; what counts is that no job is made.
		eval[any](b, `(async () => {
			const form = new FormData();
			form.append("image", new Blob([Uint8Array.from(atob("R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="), c => c.charCodeAt(0))]), "a.gif");
			await fetch(%s, {method: "POST", mode: "no-cors", body: form}).catch(() => {});
			await fetch(%s, {method: "PUT", body: "x"}).catch(() => {});
			await fetch(%s, {method: "POST", mode: "no-cors", body: "Action=ListQueues&Version=2012-11-05"}).catch(() => {});
		})()`, api+"/jobs", s3+"/claimcheck/jobs/x", sqs+"/")
		if n := stored(t, data, "jobs") + stored(t, data, "input"); n != 0 {
			t.Errorf("a page %s has made %d objects", name, n)
		}
	}
	b := visit(t, renamed(stranger.URL))
	for url, want := range map[string]string{api + "/": "does not answer to this host", s3 + "/": "answers to localhost", sqs + "/": "answers to localhost"} {
		b.do(chromedp.Navigate(renamed(url)))
		b.until("document.documentElement.textContent.includes(%s)", want)
	}
}

// TestLocalServesItsOwnPage checks that the page itself still works. It uploads large images to
// S3 directly, after a preflight request of the browser.
func TestLocalServesItsOwnPage(t *testing.T) {
	t.Parallel()
	api, _, _, data := startLocal(t, "MAX_INLINE_BYTES=100KiB")
	b := visit(t, api+"/")
	b.choose(file(t, "noise.png", picture(t, 1, 700, 500, true)))
	b.state("noise.png", "completed")
	if got := b.shown("noise.png", ".after"); got != "700×500" {
		t.Errorf("it came back as %s", got)
	}
	if n := stored(t, data, "jobs"); n != 1 {
		t.Errorf("%d jobs", n)
	}
}
