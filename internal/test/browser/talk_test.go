package browser

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
)

// TestUploadInBytesAndCancel shows an upload over a slow network, and cancels it.
func TestUploadInBytesAndCancel(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	b := open(t, s.URL, look{})
	b.do(call(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: 100_000}}, // bytes a second
	}))
	b.choose(file(t, "noise.png", picture(t, 1, 700, 500, true)))
	bar := card("noise.png") + "?.querySelector('progress')"
	b.until(bar + "?.value > 0.02 && " + bar + ".value < 1")
	if got := strings.ReplaceAll(b.text("noise.png", ".progress span"), "\u00a0", " "); !regexp.MustCompile(`^[\d.]+ kB of 1\.\d+ MB$`).MatchString(got) {
		t.Errorf("the progress is shown as %q", got)
	}
	if names := b.named(); !slices.Contains(names, "progressbar Upload of noise.png") || !slices.Contains(names, "button Cancel noise.png") {
		t.Errorf("the controls are %q", names)
	}
	b.screenshot("uploading")
	broken := make(chan struct{}, 1)
	if err := chromedp.Listen(b.ctx, func(e any) {
		if e, ok := e.(*network.EventLoadingFailed); ok && e.ErrorText == "net::ERR_ABORTED" {
			broken <- struct{}{}
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.press("noise.png", ".delete")
	b.until(`document.querySelectorAll(".card").length === 0`)
	select {
	case <-broken:
	case <-time.After(2 * time.Minute):
		t.Error("the upload goes on")
	}
	if n := jobs(t, s); n != 0 {
		t.Errorf("of an upload that was broken off there are %d jobs", n)
	}
}

// TestCancelTooLate cancels an image after its whole upload, before the page knows its job: the
// page deletes the job.
func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	b := open(t, s.URL, look{})
	sending, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if r.Method == "SendMessage" {
			close(sending)
			<-goOn
		}
		return apptest.Pass
	})
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	<-sending
	b.until("(" + card("a.png") + ").querySelector('progress').value === 1")
	b.press("a.png", ".delete")
	b.until(`document.querySelectorAll(".card").length === 0`)
	if n := jobs(t, s); n != 1 {
		t.Fatalf("there are %d jobs, want the one that was canceled too late", n)
	}
	release()
	for start := time.Now(); jobs(t, s) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			t.Fatal("the job is left")
		}
	}
	if kept := eval[string](b, "JSON.stringify({ ...localStorage })"); strings.Contains(kept, "a.png") {
		t.Errorf("the page keeps %s", kept)
	}
}

// TestFollowsWhileVisible follows a job that waits for a worker: a visible page reads only the
// event stream of the job; for many jobs it has three streams open.
func TestFollowsWhileVisible(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	const stream = "text/event-stream"
	// watch counts the requests for jobs by their Accept header, and the canceled ones.
	watch := func(b *tab) (asked func(accept string) int, open func() int) {
		var mu sync.Mutex
		counts, streams := map[string]int{}, map[network.RequestID]bool{}
		if err := chromedp.Listen(b.ctx, func(e any) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case *network.EventRequestWillBeSent:
				if e.Request.Method == http.MethodGet && strings.Contains(e.Request.URL, "/jobs") {
					accept := "else"
					if e.Request.Headers["Accept"] == stream {
						accept = stream
						streams[e.RequestID] = true
					}
					counts[accept]++
				}
			case *network.EventLoadingFailed:
				delete(streams, e.RequestID)
			case *network.EventLoadingFinished:
				delete(streams, e.RequestID)
			}
		}); err != nil {
			t.Fatal(err)
		}
		return func(accept string) int {
				mu.Lock()
				defer mu.Unlock()
				return counts[accept]
			}, func() int {
				mu.Lock()
				defer mu.Unlock()
				return len(streams)
			}
	}
	until := func(t *testing.T, what string, ok func() bool) {
		t.Helper()
		for start := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > 2*time.Minute {
				t.Fatalf("%s does not come about", what)
			}
		}
	}
	b := open(t, s.URL, look{}, `Object.defineProperty(document, "hidden", { get: () => window.unseen ?? true })`)
	asked, streams := watch(b)
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	b.state("a.png", "pending")
	eval[chromedp.Void](b, "new Promise((done) => setTimeout(done, 300))")
	if n := asked(stream) + asked("else"); n > 1 { // the list, at the beginning
		t.Errorf("while it is hidden it asks %d times", n)
	}
	see := func(hidden bool) {
		eval[chromedp.Void](b, `window.unseen = %s; document.dispatchEvent(new Event("visibilitychange"))`, hidden)
	}
	see(false)
	until(t, "a stream", func() bool { return streams() == 1 })
	see(true)
	until(t, "the end of the stream", func() bool { return streams() == 0 })
	var paths []string
	for i := range 5 {
		paths = append(paths, file(t, fmt.Sprintf("%d.png", i), picture(t, uint64(i), 20, 10, false)))
	}
	b.choose(paths...)
	for i := range 5 {
		b.state(fmt.Sprintf("%d.png", i), "pending")
	}
	see(false)
	before := asked("else")
	until(t, "a request for them all", func() bool { return asked("else") > before })
	if n := streams(); n > 3 {
		t.Errorf("it holds %d streams open", n)
	}
	s.StartWorker(t)
	for i := range 5 {
		b.state(fmt.Sprintf("%d.png", i), "completed")
	}
	b.state("a.png", "completed")
}

// TestSiteDataIsBlocked uses a browser that blocks storage, or whose storage is full.
func TestSiteDataIsBlocked(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
	s.StartWorker(t)
	for name, script := range map[string]string{
		"blocked": `for (const name of ["localStorage", "sessionStorage"])
			Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } })`,
		"full": `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, s.URL, look{}, script)
			b.until(`document.querySelector("#sign-in").checkVisibility() && document.activeElement.id === "token"`)
			b.write("token…cut short by an ellipsis") // which no header can carry
			b.until(`document.querySelector("#token-why").innerText.startsWith("That is not a token")`)
			b.write(p.Token(name))
			b.until(`document.activeElement.id === "files"`)
			b.choose(rainier())
			b.state("rainier.jpg", "completed")
			b.press("rainier.jpg", ".delete")
			b.until(`document.querySelectorAll(".card").length === 0`)
		})
	}
}
