package lifecycle_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// counting is a quota that counts the submits booked, and may be used up.
type counting struct {
	submits atomic.Int64
	over    bool
}

func (q *counting) Bytes(string, job.Account, int64) error { return nil }
func (q *counting) Refund(string, job.Account, int, int64) {}
func (q *counting) Reads(string, int) error                { return nil }
func (q *counting) Unread(string, int)                     {}

func (q *counting) Request(_ string, a job.Account, _ int64) error {
	if a == job.Repeats {
		return nil
	}
	if q.over {
		return &job.Error{Kind: job.Exhausted, Message: "enough for now", RetryAfter: time.Second}
	}
	q.submits.Add(1)
	return nil
}

func underKey(key string, image io.Reader) service.Submission {
	return service.Submission{Key: key, Image: image}
}

// unread is an image that must not be read.
func unread() io.Reader { return iotest.ErrReader(errors.New("was read")) }

// TestRepeatsAreNotBooked repeats a submit under its key, also when the limit of new jobs
// is used up.
func TestRepeatsAreNotBooked(t *testing.T) {
	t.Parallel()
	quota := &counting{}
	s := newSystemWith(t, func(c *service.Config) { c.Quota = quota })
	for range 2 {
		if _, err := s.post(t.Context(), alice, underKey("k", submission("IMG one").Image)); err != nil {
			t.Fatal(err)
		}
		quota.over = true
	}
	_, err := s.post(t.Context(), alice, service.Submission{Image: unread()})
	wantKind(t, err, job.Exhausted)
	if got := quota.submits.Load(); got != 1 {
		t.Errorf("%d submits were booked of a job and its repeat", got)
	}
}

// accounts are what a quota has booked, by account; full refuses more bytes than that.
type accounts struct {
	requests, bytes [2]int64
	full            int64 // bytes of an account; zero for no limit
}

func (q *accounts) Request(_ string, a job.Account, n int64) error {
	if q.full > 0 && q.bytes[a]+n > q.full {
		return job.Errorf(job.Exhausted, "enough")
	}
	q.requests[a]++
	q.bytes[a] += n
	return nil
}

func (q *accounts) Bytes(_ string, a job.Account, n int64) error {
	if q.full > 0 && q.bytes[a]+n > q.full {
		q.bytes[a] = q.full
		return job.Errorf(job.Exhausted, "enough")
	}
	q.bytes[a] += n
	return nil
}

func (q *accounts) Reads(string, int) error { return nil }
func (q *accounts) Unread(string, int)      {}

func (q *accounts) Refund(_ string, a job.Account, requests int, bytes int64) {
	q.requests[a] -= int64(requests)
	q.bytes[a] -= bytes
}

// TestEverythingLetInIsBooked holds what each kind of submit and commit has booked in the
// end: the bytes that were read, in the account that they belong to.
func TestEverythingLetInIsBooked(t *testing.T) {
	t.Parallel()
	image := "IMG" + strings.Repeat("x", 9997)
	long := int64(len(image))
	sized := func(key, image string, announced int64) service.Submission {
		return service.Submission{Key: key, Image: strings.NewReader(image), Size: announced, Announced: announced}
	}
	noPlace := func(context.Context, int64) error { return job.Errorf(job.Exhausted, "no place") }
	tests := map[string]struct {
		in              []service.Submission
		want            job.Kind // of the last one's error
		full            int64
		requests, bytes [2]int64 // of new jobs, and of repeats
	}{
		"one":                         {in: []service.Submission{sized("", image, long)}, requests: [2]int64{1, 0}, bytes: [2]int64{long, 0}},
		"one of unknown length":       {in: []service.Submission{sized("", image, 0)}, requests: [2]int64{1, 0}, bytes: [2]int64{long, 0}},
		"no image":                    {in: []service.Submission{sized("", strings.Repeat("x", 9999), 9999)}, want: job.Unsupported, requests: [2]int64{1, 0}, bytes: [2]int64{job.HeadSize, 0}},
		"more than is left":           {in: []service.Submission{{Image: unread(), Announced: long}}, want: job.Exhausted, full: 5000},
		"more than is left, unsaid":   {in: []service.Submission{sized("", image, 0)}, want: job.Exhausted, full: 5000, requests: [2]int64{1, 0}, bytes: [2]int64{5000, 0}},
		"a repeat":                    {in: []service.Submission{sized("k", image, long), sized("k", image, long)}, requests: [2]int64{1, 1}, bytes: [2]int64{long, long}},
		"a repeat of unknown length":  {in: []service.Submission{sized("k", image, 0), sized("k", image, 0)}, requests: [2]int64{1, 1}, bytes: [2]int64{long, long}},
		"other bytes under the key":   {in: []service.Submission{sized("k", image, long), sized("k", "IMG", 3)}, want: job.Mismatch, requests: [2]int64{2, 1}, bytes: [2]int64{long + 3, 3}},
		"more repeats than there may": {in: []service.Submission{sized("k", image, long), sized("k", image, long), {Key: "k", Image: unread(), Announced: long}}, want: job.Exhausted, full: long, requests: [2]int64{1, 1}, bytes: [2]int64{long, long}},
		"no place":                    {in: []service.Submission{{Image: strings.NewReader(image), Announced: long, Acquire: noPlace}}, want: job.Exhausted, requests: [2]int64{0, 0}, bytes: [2]int64{job.HeadSize, 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &accounts{full: tt.full}
			s := newSystemWith(t, func(c *service.Config) { c.Quota = q })
			var err error
			for _, in := range tt.in {
				_, err = s.post(t.Context(), alice, in)
			}
			if (err != nil) != (tt.want != 0) || err != nil && job.KindOf(err) != tt.want {
				t.Errorf("the last one ends with %v, want %v", err, tt.want)
			}
			if q.requests != tt.requests || q.bytes != tt.bytes {
				t.Errorf("requests %v and bytes %v are booked, want %v and %v", q.requests, q.bytes, tt.requests, tt.bytes)
			}
		})
	}
}

// TestCommitsAreBooked commits an upload again and again, until the quota is used up.
func TestCommitsAreBooked(t *testing.T) {
	t.Parallel()
	q := &accounts{}
	s := newSystemWith(t, func(c *service.Config) { c.Quota = q })
	j := s.announce(t, "IMG one")
	s.uploaded(t, j.ID, "image/png", "IMG one")
	for range 3 {
		if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := [2]int64{1, 3}; q.requests != want {
		t.Errorf("requests %v are booked, want %v", q.requests, want)
	}
}

// TestRepeatsSendFewMessages repeats a submit and a commit 50 times each: one more
// message is sent for each when some seconds have passed, and none before.
func TestRepeatsSendFewMessages(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*testing.T, *system) func() error{
		"submit": func(t *testing.T, s *system) func() error {
			return func() error {
				_, err := s.post(t.Context(), alice, underKey("k", submission("IMG one").Image))
				return err
			}
		},
		"commit": func(t *testing.T, s *system) func() error {
			j := s.announce(t, "IMG one")
			s.uploaded(t, j.ID, "image/png", "IMG one")
			return func() error {
				_, err := s.service.Commit(t.Context(), alice, j.ID, nil)
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			repeat := begin(t, s)
			for _, want := range []int{1, 2} {
				for range 50 {
					if err := repeat(); err != nil {
						t.Fatal(err)
					}
				}
				if got := s.queue.Len(); got != want {
					t.Errorf("%d messages, want %d", got, want)
				}
				s.advance(20 * time.Second)
			}
		})
	}
}

// TestAnotherProcessSendsAgain repeats a submit in another process: it cannot know whether
// the first one died before it sent, and sends.
func TestAnotherProcessSendsAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if _, err := s.post(t.Context(), alice, underKey("k", submission("IMG one").Image)); err != nil {
		t.Fatal(err)
	}
	other := &system{}
	other.service = service.New(service.Config{
		Store: s.store, Presigner: presigner{time.Now, time.Hour}, Ledger: s.ledger, Queue: s.queue, Monitor: s.monitor, Rules: rules{}, Inspector: inspector{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Limits: service.Limits{MaxBytes: 1 << 20, InlineBytes: 1 << 18, MaxPixels: 1000, Retention: retention, UploadTTL: time.Hour, Settle: time.Second},
	})
	if _, err := other.post(t.Context(), alice, underKey("k", submission("IMG one").Image)); err != nil {
		t.Fatal(err)
	}
	if got := s.queue.Len(); got != 2 {
		t.Errorf("%d messages, want 2", got)
	}
}
