// Package browser tests the page in a real browser, Debian's chromium: by mouse and by
// keyboard, in light and dark mode, wide and narrow. In each test the page makes no request to
// another origin, violates no policy and writes no error to the console.
//
//	go test -artifacts -outputdir DIR ./internal/test/browser              keeps a screenshot of each state
//	go test -run TestPictures ./internal/test/browser -pictures docs/pictures   renews the README's
package browser

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/test/leftover"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/program"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// rebound is a name of another site that resolves to this machine.
const rebound = "rebound.example"

// shared is the one browser of the process, while tests use it.
var shared struct {
	sync.Mutex
	users int
	ctx   context.Context
	end   func() error
}

// running returns the browser. The first test starts it, and the end of the last one ends it.
func running(t *testing.T) context.Context {
	t.Helper()
	path := program.Need(t, "chromium")
	shared.Lock()
	defer shared.Unlock()
	if shared.users == 0 {
		ctx, end, err := start(path)
		if err != nil {
			t.Fatalf("start chromium: %v", err)
		}
		shared.ctx, shared.end = ctx, end
	}
	shared.users++
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.users--; shared.users > 0 {
			return
		}
		if err := shared.end(); err != nil {
			t.Errorf("end chromium: %v", err)
		}
	})
	return shared.ctx
}

func start(path string) (ctx context.Context, end func() error, err error) {
	profile, remove, err := leftover.Dir("claimcheck-chromium-")
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		// A renderer for a page that may come costs as much as the one of a page.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,SpareRendererForSitePerProcess"),
		chromedp.Flag("host-resolver-rules", "MAP "+rebound+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // nothing leaves this machine
		chromedp.WSURLReadTimeout(2*time.Minute),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it has none for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(allocator)
	end = func() error {
		_ = chromedp.Cancel(ctx)
		stop()
		return remove()
	}
	if err := chromedp.Do(ctx); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return ctx, end, nil
}
