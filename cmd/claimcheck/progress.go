package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is the bar of a batch on a terminal; anywhere else it shows nothing.
type progress struct {
	mu     sync.Mutex // guards all below
	bar    *progressbar.ProgressBar
	words  words
	total  int
	over   int
	failed int
	bytes  int64 // of the images that have been opened
}

func newProgress(s streams, files int) *progress {
	p := &progress{total: files}
	columns, ok := terminal(s.err)
	if !ok {
		return p
	}
	width := p.fit(columns)
	if width == 0 {
		return p
	}
	p.bar = progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(s.err), progressbar.OptionShowBytes(p.words == full), progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(width), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
	)
	p.describe()
	return p
}

// words are how much is said beside the bar.
type words uint8

const (
	full  words = iota // 1 of 3 done, 1 failed  50% |████| (1.0 MiB/s)
	short              // 1/3, 1 failed  50% |██|
	tiny               // 1/3  50% ||
)

func (w words) say(over, total, failed int) string {
	text := fmt.Sprintf("%d/%d", over, total)
	if w == full {
		text = fmt.Sprintf("%d of %d done", over, total)
	}
	if failed > 0 && w != tiny {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

// fit chooses the most words that leave the bar some room on a line of so many columns,
// and returns how wide that makes the bar: zero where there is no room for any.
func (p *progress) fit(columns int) int {
	const percent, speed = len(" 100% || "), len("(1023.9 MiB/s) ")
	for p.words = full; ; p.words++ {
		left := columns - percent - len(p.words.say(p.total, p.total, p.total))
		if p.words == full {
			left -= speed
		}
		if p.words == tiny || left >= 5 {
			return min(max(left, 0), 40)
		}
	}
}

func (p *progress) describe() { p.bar.Describe(p.words.say(p.over, p.total, p.failed)) }

// file adds an image of this many bytes and returns what hears how many of them were
// sent. A try that starts anew does not move the bar back.
func (p *progress) file(size int64) func(sent int64) {
	if p.bar == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += size
	p.bar.ChangeMax64(p.bytes + 1) // it is over by end alone
	var most int64
	return func(sent int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if sent > most {
			_ = p.bar.Add64(sent - most)
			most = sent
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
