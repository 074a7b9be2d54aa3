package lifecycle_test

import (
	"errors"
	"io"
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

func (q *counting) Bytes(string, int64) error { return nil }

func (q *counting) Submit(string) error {
	if q.over {
		return &job.Error{Kind: job.Exhausted, Message: "enough for now", RetryAfter: time.Second}
	}
	q.submits.Add(1)
	return nil
}

func keyed(key string, image io.Reader) service.Submission {
	return service.Submission{Key: key, Image: image}
}

// unread is an image that must not be read.
func unread() io.Reader { return iotest.ErrReader(errors.New("was read")) }

// TestRepeatsAreNotBooked repeats a submit under its key, also when the limit is used up.
func TestRepeatsAreNotBooked(t *testing.T) {
	t.Parallel()
	quota := &counting{}
	s := newSystemWith(t, func(c *service.Config) { c.Quota = quota })
	for range 2 {
		if _, err := s.post(t.Context(), alice, keyed("k", submission("IMG one").Image)); err != nil {
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
