package browser

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a tab on the page, with storage and permissions of its own.
type tab struct {
	t      *testing.T
	ctx    context.Context
	origin string
	folder string // of screenshots

	mu       sync.Mutex // guards what follows
	wrong    []string   // what no page may do
	expected []string   // parts of what the browser itself writes to the console
	others   []string   // origins beside its own
}

// look is the appearance of a tab: size and colour scheme.
type look struct {
	width, height int64 // in CSS pixels; 0: 1280 × 900
	dark          bool
}

// open opens the page of the service at url, and runs scripts before those of the page.
func open(t *testing.T, url string, l look, scripts ...string) *tab {
	t.Helper()
	parent := running(t)
	b := &tab{t: t, origin: url, folder: t.ArtifactDir()}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.saw))
	b.ctx = ctx
	b.look(l)
	// The test shortens the time in which a deletion can be undone.
	scripts = append(scripts, `{ const real = setTimeout; window.setTimeout = (f, ms, ...rest) => real(f, ms === 6000 ? 100 : ms, ...rest) }`)
	for _, source := range scripts {
		b.do(call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source}))
	}
	b.do(
		call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `addEventListener("securitypolicyviolation", (e) => console.error("policy", e.violatedDirective, e.blockedURI))`,
		}),
		chromedp.Navigate(url+"/"),
	)
	t.Cleanup(func() {
		if t.Failed() {
			b.capture("failed")
		}
		cancel() // no event comes after
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Errorf("the page did what it must not: %s", w)
		}
	})
	return b
}

// look changes the appearance of the tab.
func (b *tab) look(l look) {
	b.t.Helper()
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.do(
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
		chromedp.EmulateViewport(l.width, l.height),
	)
}

// call is an action that sends a command without an answer.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// saw records the events of the tab from its start.
func (b *tab) saw(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wrong := func(format string, args ...any) { b.wrong = append(b.wrong, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		other := slices.ContainsFunc(b.others, func(o string) bool { return strings.HasPrefix(u, o+"/") })
		if !other && !strings.HasPrefix(u, b.origin+"/") && !strings.HasPrefix(u, "blob:"+b.origin+"/") && u != "about:blank" {
			wrong("request to %s", u)
		}
	case *runtime.EventExceptionThrown:
		wrong("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			words := make([]string, len(e.Args))
			for i, a := range e.Args {
				words[i] = string(a.Value)
			}
			wrong("console: %s", strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning {
			return
		}
		// Chromium writes a line for each refusal, which a page cannot prevent.
		if !slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(e.Entry.Text, part) }) {
			wrong("log: %s %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
}

// expect names statuses of 400 and above that the page may receive.
func (b *tab) expect(statuses ...int) {
	for _, s := range statuses {
		b.expectLog(fmt.Sprintf("status of %d", s))
	}
}

// expectLog names parts of lines that the browser may write to the console.
func (b *tab) expectLog(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, parts...)
}

// mayVisit permits another origin in the tab.
func (b *tab) mayVisit(origin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.others = append(b.others, origin)
}

// downloads makes the tab save its downloads in the returned folder.
func (b *tab) downloads() (folder string) {
	b.t.Helper()
	folder, enabled := b.t.TempDir(), true
	if _, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, EventsEnabled: &enabled,
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	}); err != nil {
		b.t.Fatal(err)
	}
	return folder
}

// downloaded waits until a download of the tab has the expected content.
func (b *tab) downloaded(path string, whole func(content []byte) error) {
	b.t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		got, err := os.ReadFile(path)
		if err == nil {
			err = whole(got)
		}
		if err == nil {
			return
		}
		if time.Since(start) > 2*time.Minute {
			entries, _ := os.ReadDir(filepath.Dir(path))
			b.t.Fatalf("the download has %d bytes: %v; there is %v", len(got), err, entries)
		}
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.context(), time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// context starts the tab, which ends with its context.
func (b *tab) context() context.Context {
	b.t.Helper()
	if chromedp.FromContext(b.ctx).Target == nil {
		if err := chromedp.Do(b.ctx); err != nil {
			b.t.Fatal(err)
		}
	}
	return b.ctx
}

// eval returns the value of an expression of JavaScript, or of its promise.
func eval[T any](b *tab, expression string, args ...any) T {
	b.t.Helper()
	v, err := tryEval[T](b, expression, args...)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func tryEval[T any](b *tab, expression string, args ...any) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](fill(b.t, expression, args), chromedp.EvalAwaitPromise))
}

// fill replaces each %s by an argument as a literal of JavaScript.
func fill(t *testing.T, expression string, args []any) string {
	t.Helper()
	for _, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		expression = strings.Replace(expression, "%s", string(text), 1)
	}
	return expression
}

// until waits for an expression to be true; the page may load meanwhile.
func (b *tab) until(expression string, args ...any) {
	b.t.Helper()
	deadline := time.Now().Add(4 * time.Minute)
	// Each look costs processor time that the page needs.
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		ok, err := tryEval[bool](b, "Boolean("+expression+")", args...)
		if ok {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s does not come about (%v); the page says:\n%s", fill(b.t, expression, args), err, eval[string](b, "document.body.innerText"))
		}
		select {
		case <-time.After(wait):
		case <-b.t.Context().Done():
			b.t.Fatal("the test is over")
		}
	}
}

// choose chooses files in the file dialog.
func (b *tab) choose(paths ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), paths))
}

// write pastes text at the focus, and presses Enter.
func (b *tab) write(text string) {
	b.t.Helper()
	b.do(call(input.InsertText, input.InsertTextParams{Text: text}), chromedp.KeyEvent(kb.Enter))
}

// card is an expression for the card of the file of that name.
func card(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".card")].find((c) => c.querySelector("h3").textContent === %q)`, name)
}

// state waits until the card of that name has a state.
func (b *tab) state(name, state string) {
	b.t.Helper()
	b.until(card(name)+"?.dataset.state === %s", state)
}

// text is the visible text of a part of a card.
func (b *tab) text(name, selector string) string {
	b.t.Helper()
	return eval[string](b, card(name)+"?.querySelector(%s)?.innerText ?? ''", selector)
}

// press clicks on a part of a card.
func (b *tab) press(name, selector string) {
	b.t.Helper()
	b.until("(("+card(name)+")?.querySelector(%s)?.checkVisibility())", selector)
	eval[chromedp.Void](b, card(name)+".querySelector(%s).click()", selector)
}

// copyAs chooses an entry of the copy menu of a card.
func (b *tab) copyAs(name, selector string) {
	b.t.Helper()
	b.press(name, ".menu summary")
	b.press(name, selector)
}

// json writes the params as JSON.
func (b *tab) json(text string) {
	b.t.Helper()
	eval[chromedp.Void](b, `(() => {
		const area = document.querySelector("#params");
		area.value = %s;
		area.dispatchEvent(new Event("input", { bubbles: true }));
	})()`, text)
}

// field fills in a field for the params.
func (b *tab) field(name, value string) {
	b.t.Helper()
	eval[chromedp.Void](b, `(() => {
		const field = document.querySelector("#param-" + %s);
		field.value = field.options ? [...field.options].find((o) => o.text === %s).value : %s;
		field.dispatchEvent(new Event("input", { bubbles: true }));
	})()`, name, value, value)
}

// screenshot saves a picture of the page among the test's artifacts.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	if flag.Lookup("test.artifacts").Value.String() == "true" {
		b.capture(name)
	}
}

// capture writes a picture of the whole page into the tab's folder.
func (b *tab) capture(name string) {
	b.t.Helper()
	size := eval[[]float64](b, "[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
	beyond := true
	r, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Clip: &page.Viewport{Width: size[0], Height: size[1], Scale: 1}, CaptureBeyondViewport: &beyond,
	})
	if err != nil {
		b.t.Error(err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.folder, name+".png"), r.Data, 0o644); err != nil {
		b.t.Error(err)
	}
}

// named fails the test for a control without an accessible name, and returns the names of all
// controls, each after its role.
func (b *tab) named() []string {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		b.t.Fatal(err)
	}
	controls := []string{"button", "link", "textbox", "spinbutton", "checkbox", "combobox", "dialog", "progressbar", "image", "img", "list", "DisclosureTriangle", "region"}
	var names []string
	for _, n := range tree.Nodes {
		role := said(b.t, n.Role)
		if n.Ignored || !slices.Contains(controls, role) {
			continue
		}
		name := strings.TrimSpace(said(b.t, n.Name))
		if name == "" {
			b.t.Errorf("a %s has no name", role)
		}
		names = append(names, role+" "+name)
	}
	return names
}

func said(t *testing.T, v *accessibility.Value) string {
	t.Helper()
	if v == nil || len(v.Value) == 0 {
		return ""
	}
	var s string
	if err := json.Unmarshal(v.Value, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
