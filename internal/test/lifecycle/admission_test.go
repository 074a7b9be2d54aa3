package lifecycle_test

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
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

// TestRepeatsTakeAPlaceLikeEverybody has one place for uploads: who comes while it is
// taken is refused unread, a repeat under a key included, at no cost to anybody.
func TestRepeatsTakeAPlaceLikeEverybody(t *testing.T) {
	t.Parallel()
	quota := &counting{}
	s := newSystemWith(t, func(c *service.Config) { c.Limits.Uploads, c.Quota = 1, quota })
	submit := func(in service.Submission) error {
		_, err := s.post(t.Context(), alice, in)
		return err
	}
	if err := submit(keyed("k", submission("IMG one").Image)); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"a new job": "", "a repeat": "k"} {
		reader, writer := io.Pipe()
		var holder sync.WaitGroup
		holder.Go(func() {
			defer reader.Close()
			if err := submit(keyed(key, reader)); err != nil {
				t.Errorf("%s, which has the place: %v", name, err)
			}
		})
		if _, err := writer.Write([]byte("IMG one")); err != nil { // it has the place, and reads
			t.Fatal(err)
		}
		booked, loads := quota.submits.Load(), s.store.Calls(jobtest.OpLoad)
		for name, in := range map[string]service.Submission{
			"a new job": {Image: unread()}, "a job under a new key": keyed("new", unread()), "a repeat": keyed("k", unread()),
		} {
			err := submit(in)
			if job.KindOf(err) != job.Exhausted {
				t.Errorf("%s without a place: %v", name, err)
			}
			if e, ok := errors.AsType[*job.Error](err); !ok || e.RetryAfter <= 0 {
				t.Errorf("%s is not told when to come back", name)
			}
		}
		if now := quota.submits.Load(); now != booked {
			t.Errorf("the refused were booked: %d, before %d", now, booked)
		}
		if now := s.store.Calls(jobtest.OpLoad); now != loads {
			t.Errorf("the refused cost %d reads", now-loads)
		}
		writer.Close()
		holder.Wait()
	}
	if got := quota.submits.Load(); got != 2 {
		t.Errorf("%d submits were booked of two jobs and a repeat", got)
	}
	quota.over = true
	if err := submit(keyed("k", submission("IMG one").Image)); err != nil {
		t.Errorf("a repeat when the limit is used up: %v", err)
	}
	wantKind(t, submit(service.Submission{Image: unread()}), job.Exhausted)
	quota.over = false
	if err := submit(submission("IMG two")); err != nil {
		t.Errorf("a place was lost: %v", err)
	}
}
