package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is the bar of a batch on a terminal; anywhere else it shows nothing. The bar is
// the share of the images that are done, and the bytes that are sent are a figure beside it.
type progress struct {
	mu     sync.Mutex // guards all below
	bar    *progressbar.ProgressBar
	words  words
	verb   string // what is done with an image
	total  int
	over   int
	failed int
	sent   int64 // bytes
	shown  time.Time
}

// redraw is the time between two bars of which the bytes alone differ.
const redraw = 100 * time.Millisecond

// newProgress returns the progress of a batch; wait says that an image is done when its job is.
func newProgress(s streams, images int, wait bool) *progress {
	p := &progress{total: images, verb: "submitted"}
	if wait {
		p.verb = "done"
	}
	columns, ok := terminal(s.err)
	if !ok {
		return p
	}
	width := p.fit(columns)
	if width == 0 {
		return p
	}
	p.bar = progressbar.NewOptions(images,
		progressbar.OptionSetWriter(s.err), progressbar.OptionSetWidth(width),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
	)
	p.describe()
	return p
}

// words is the amount of text next to the bar.
type words uint8

const (
	full  words = iota // 1 of 3 done, 1 failed, 2.4 MiB sent  33% |████|
	short              // 1/3, 1 failed  33% |██|
	tiny               // 1/3  33% ||
)

func (p *progress) say(w words, over, failed int, sent string) string {
	if w == full {
		text := fmt.Sprintf("%d of %d %s", over, p.total, p.verb)
		if failed > 0 {
			text += fmt.Sprintf(", %d failed", failed)
		}
		return text + ", " + sent + " sent"
	}
	text := fmt.Sprintf("%d/%d", over, p.total)
	if failed > 0 && w == short {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

// fit chooses the most words that leave the bar some room on a line of so many columns,
// and returns how wide that makes the bar: zero where there is no room for any.
func (p *progress) fit(columns int) int {
	const percent, longest = len(" 100% || "), "1023.9 MiB"
	for p.words = full; ; p.words++ {
		left := columns - percent - len(p.say(p.words, p.total, p.total, longest))
		if p.words == tiny || left >= 5 {
			return min(max(left, 0), 40)
		}
	}
}

func (p *progress) describe() { p.bar.Describe(p.say(p.words, p.over, p.failed, inMiB(p.sent))) }

// inMiB writes a number of bytes in MiB, or in GiB from 1024 MiB on.
func inMiB(n int64) string {
	if mib := float64(n) / (1 << 20); mib < 1023.95 {
		return fmt.Sprintf("%.1f MiB", mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// file returns what hears how many bytes of an image were sent. A try that starts anew does
// not count them again.
func (p *progress) file() func(sent int64) {
	if p.bar == nil {
		return nil
	}
	var most int64
	return func(sent int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if sent <= most {
			return
		}
		p.sent += sent - most
		most = sent
		if now := time.Now(); now.Sub(p.shown) >= redraw {
			p.shown = now
			p.describe()
		}
	}
}

// done counts an image that is through.
func (p *progress) done(ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over++
	if !ok {
		p.failed++
	}
	if p.bar != nil {
		p.describe()
		if p.over < p.total { // a full bar would end by itself
			_ = p.bar.Set(p.over)
		}
	}
}

// around prints lines where the bar is, which comes back behind them.
func (p *progress) around(print func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	print()
	if p.bar != nil && p.over < p.total {
		_ = p.bar.RenderBlank()
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
