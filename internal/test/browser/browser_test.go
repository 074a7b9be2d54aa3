// Package browser has people's work done on the page in a real browser, Debian's
// chromium: by mouse and by keyboard, in the light and in the dark, wide and narrow.
// Whatever a test does, the page makes no request to another origin, violates no policy
// and writes no error to the console.
//
//	go test -artifacts -outputdir DIR ./internal/test/browser              keeps a screenshot of each state
//	go test -run TestPictures ./internal/test/browser -pictures docs/pictures   renews the README's
package browser

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if closeBrowser != nil {
		closeBrowser()
	}
	os.Exit(code)
}

var closeBrowser func()

// theBrowser is started by the first test that wants it. Its error says what to install.
var theBrowser = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // nothing leaves this machine
		chromedp.WSURLReadTimeout(time.Minute),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it has none for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, err
	}
	closeBrowser = func() {
		_ = chromedp.Cancel(ctx)
		stop()
	}
	return ctx, nil
})

// running returns the one browser of all tests. Without one the test is skipped, but not
// in continuous integration: there it is a failure.
func running(t *testing.T) context.Context {
	t.Helper()
	ctx, err := theBrowser()
	switch {
	case err == nil:
		return ctx
	case os.Getenv("CI") == "true":
		t.Fatalf("no browser: %v; .ci/debian chromium installs it", err)
	default:
		t.Skipf("SKIPPED, the page is not tested: no browser: %v; apt-get install chromium", err)
	}
	return nil
}
