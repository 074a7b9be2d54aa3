package body_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/httpapi/body"
	"claimcheck.example/internal/job"
)

// line is a client's line as a request's body and its connection: pieces of bytes, each
// after a while, until a deadline in the past cuts it.
type line struct {
	http.ResponseWriter
	bytes int
	every time.Duration
	cut   chan struct{}
}

func (l *line) Read(p []byte) (int, error) {
	select {
	case <-time.After(l.every):
		return min(l.bytes, len(p)), nil
	case <-l.cut:
		return 0, os.ErrDeadlineExceeded
	}
}

func (l *line) Close() error { return nil }

func (l *line) SetReadDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) {
		close(l.cut)
	}
	return nil
}

// TestPace reads two minutes of bodies for whose memory others wait: it is broken off only
// where the client is slow, while it holds memory that others wait for.
func TestPace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bytes int
		every time.Duration
		held  bool
		ours  time.Duration // between reads, that we take ourselves
		want  string        // of the sentence; empty: goes on
	}{
		"well":                    {bytes: 80 << 10, every: 1003 * time.Millisecond, held: true},
		"slowly":                  {bytes: 50 << 10, every: 1003 * time.Millisecond, held: true, want: "while other uploads waited"},
		"slowly, holding nothing": {bytes: 50 << 10, every: 1003 * time.Millisecond},
		"well, and kept waiting":  {bytes: 80 << 10, every: 1003 * time.Millisecond, held: true, ours: 40 * time.Second},
		"not at all":              {bytes: 1, every: time.Hour, held: true, want: "while other uploads waited"},
		"not at all, and small":   {bytes: 1, every: time.Hour, want: "no byte of the body arrived for 30s"},
		"by the byte":             {bytes: 1, every: 1003 * time.Millisecond, want: "less than 1024 bytes per second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &line{bytes: tt.bytes, every: tt.every, cut: make(chan struct{})}
				p := body.New(l, &http.Request{Body: l, ProtoMajor: 2}, 30*time.Second)
				defer p.Stop()
				if tt.held {
					p.Hurry(func() bool { return true })
				}
				var err error
				for begin := time.Now(); err == nil && time.Since(begin) < 2*time.Minute; {
					_, err = p.Read(make([]byte, 1<<20))
					time.Sleep(tt.ours)
				}
				said := job.MessageOf(err)
				if (err == nil) != (tt.want == "") || !strings.Contains(said, tt.want) || errors.Is(err, io.EOF) {
					t.Errorf("it ends with %v (%q), want %q", err, said, tt.want)
				}
			})
		})
	}
}
