package worker

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"claimcheck.example/internal/job"
)

// progressPause is the minimum time between a write of the document, successful or not,
// and a write that only carries progress.
const progressPause = 2 * time.Second

// maxNote bounds the note of a progress report, in characters.
const maxNote = 40

// progress is what the processor of one claim reports. It is safe for concurrent use, and
// never blocks the processor.
type progress struct {
	latest atomic.Pointer[job.Progress]
	news   chan struct{} // holds an element while latest is unwritten
}

func newProgress() *progress { return &progress{news: make(chan struct{}, 1)} }

// report takes a report of the processor, within bounds.
func (p *progress) report(fraction float64, note string) {
	if math.IsNaN(fraction) {
		return
	}
	word := []rune(strings.ToValidUTF8(note, "?"))
	p.latest.Store(&job.Progress{Fraction: min(max(fraction, 0), 1), Note: string(word[:min(len(word), maxNote)])})
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// load returns the last report; nil for none.
func (p *progress) load() *job.Progress { return p.latest.Load() }

// differs reports whether the last report differs from the written one.
func (p *progress) differs(written *job.Progress) bool {
	latest := p.load()
	return latest != nil && (written == nil || *written != *latest)
}
