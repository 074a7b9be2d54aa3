package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
)

// TestDepthIsCountedRarely scrapes more often than the queue is asked, through an outage.
func TestDepthIsCountedRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var fail error
		asked := 0
		d := &depth{log: slog.New(slog.NewTextHandler(&log, nil)), read: func(context.Context) (job.Depth, error) {
			asked++
			return job.Depth{Visible: int64(asked), Dead: 7, CountsDead: asked > 1}, fail
		}}
		scrape := func(after time.Duration) (map[string]int64, error) {
			time.Sleep(after) // of the bubble
			return d.last(t.Context())
		}
		if got, err := scrape(0); err != nil || got["visible"] != 1 || len(got) != 2 {
			t.Errorf("the first scrape sees %v, %v", got, err)
		}
		if got, _ := scrape(14 * time.Second); got["visible"] != 1 {
			t.Errorf("a scrape within 15 s asks the queue again: %v", got)
		}
		if got, _ := scrape(time.Second); got["visible"] != 2 || got["dead"] != 7 {
			t.Errorf("a scrape after 15 s sees %v", got)
		}
		fail = errors.New("away")
		for range 3 {
			if _, err := scrape(15 * time.Second); err == nil {
				t.Error("a scrape in an outage sees no error")
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("an outage has %d lines in the log, want 1:\n%s", n, &log)
		}
		fail = nil
		if got, err := scrape(15 * time.Second); err != nil || got["visible"] != 6 {
			t.Errorf("after the outage a scrape sees %v, %v", got, err)
		}
	})
}
