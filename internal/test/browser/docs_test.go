package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
)

// TestDocsAndTheWayBack reads the description of the API, and returns from an unknown path.
func TestDocsAndTheWayBack(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	b := open(t, s.URL, look{})
	eval[any](b, `document.querySelector("nav a").click()`)
	const shown = `document.querySelector("openapi-explorer")?.shadowRoot?.textContent`
	b.until(shown + `?.includes("Submit an image")`)
	b.screenshot("docs")
	b.look(look{width: 360, height: 740, dark: true})
	b.screenshot("docs-phone")
	if faint := eval[[]string](b, strings.Replace(contrast, `document.querySelectorAll("body *")`, `document.querySelector("openapi-explorer").shadowRoot.querySelectorAll("code")`, 1)); len(faint) > 0 {
		t.Errorf("code in the dark is hard to read: %s", strings.Join(faint, "; "))
	}
	eval[any](b, `document.querySelector("nav a").click()`)
	b.until(`document.querySelector("#files")?.checkVisibility()`)

	b.expect(404)
	b.do(chromedp.Navigate(s.URL + "/nothing"))
	b.until(`document.querySelector("h1")?.innerText === "Not Found"`)
	b.screenshot("not-found")
	eval[any](b, `document.querySelector("a").click()`)
	b.until(`document.querySelector("#files")?.checkVisibility()`)
}
