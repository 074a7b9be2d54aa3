// Package quota bounds what each owner may submit: a rate of submits and an amount of
// bytes a day. It counts in the memory of one process: with n instances an owner may
// reach n times as much, and a new instance begins at zero. It keeps one caller from
// crowding out the others; the bill is kept elsewhere, and exactly.
package quota

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"claimcheck.example/internal/job"
)

// maxOwners bounds the owners that a quota keeps. A new owner beyond it replaces the
// one seen longest ago.
const maxOwners = 10_000

// Quota implements job.Quota.
type Quota struct {
	perMinute   int
	bytesPerDay int64
	now         func() time.Time

	mu     sync.Mutex // guards owners
	owners *simplelru.LRU[string, *account]
}

type account struct {
	submits *rate.Limiter
	day     int64 // since the epoch
	bytes   int64 // on that day
}

// New returns a quota; zero means no limit.
func New(submitsPerMinute int, bytesPerDay int64, now func() time.Time) *Quota {
	owners, err := simplelru.NewLRU[string, *account](maxOwners, nil)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &Quota{perMinute: submitsPerMinute, bytesPerDay: bytesPerDay, now: now, owners: owners}
}

// with calls f with the owner's account of today.
func (q *Quota) with(owner string, f func(a *account, now time.Time) error) error {
	if q.perMinute == 0 && q.bytesPerDay == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	a, ok := q.owners.Get(owner)
	if !ok {
		a = &account{submits: rate.NewLimiter(rate.Limit(float64(q.perMinute)/60), q.perMinute)}
		q.owners.Add(owner, a)
	}
	if today := now.Unix() / 86400; a.day != today {
		a.day, a.bytes = today, 0
	}
	return f(a, now)
}

// Submit implements job.Quota.
func (q *Quota) Submit(owner string) error {
	return q.with(owner, func(a *account, now time.Time) error {
		if q.bytesPerDay > 0 && a.bytes >= q.bytesPerDay {
			return q.bytesOver(now)
		}
		if q.perMinute == 0 || a.submits.AllowN(now, 1) {
			return nil
		}
		wait := time.Duration((1 - a.submits.TokensAt(now)) * 60 / float64(q.perMinute) * float64(time.Second))
		return &job.Error{
			Kind: job.Exhausted, RetryAfter: wait + rand.N(wait/2+time.Millisecond),
			Message: fmt.Sprintf("you may submit %d jobs a minute; try again shortly", q.perMinute),
		}
	})
}

// Bytes implements job.Quota.
func (q *Quota) Bytes(owner string, n int64) error {
	return q.with(owner, func(a *account, now time.Time) error {
		if q.bytesPerDay > 0 && a.bytes+n > q.bytesPerDay {
			return q.bytesOver(now)
		}
		a.bytes += n
		return nil
	})
}

func (q *Quota) bytesOver(now time.Time) error {
	return &job.Error{
		Kind: job.Exhausted, RetryAfter: untilMidnight(now),
		Message: fmt.Sprintf("you may send %d bytes of images a day (UTC), and this would be more; try again tomorrow", q.bytesPerDay),
	}
}

func untilMidnight(now time.Time) time.Duration {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
}

// Policy is the RateLimit-Policy header of the IETF's draft (draft-ietf-httpapi-
// ratelimit-headers-10); empty without limits.
func (q *Quota) Policy() string {
	var p []string
	if q.perMinute > 0 {
		p = append(p, fmt.Sprintf(`"submits";q=%d;w=60`, q.perMinute))
	}
	if q.bytesPerDay > 0 {
		p = append(p, fmt.Sprintf(`"bytes";q=%d;w=86400;qu="content-bytes"`, q.bytesPerDay))
	}
	return strings.Join(p, ", ")
}

// Left is the RateLimit header of that draft: what the owner has left, and in how many
// seconds there is more, which is when a refused one can try again.
func (q *Quota) Left(owner string) string {
	var p []string
	_ = q.with(owner, func(a *account, now time.Time) error {
		if q.perMinute > 0 {
			left := max(0, a.submits.TokensAt(now))
			more := (1 + math.Floor(left) - left) * 60 / float64(q.perMinute)
			p = append(p, `"submits";r=`+strconv.Itoa(int(left))+`;t=`+strconv.Itoa(int(math.Ceil(more))))
		}
		if q.bytesPerDay > 0 {
			p = append(p, fmt.Sprintf(`"bytes";r=%d;t=%d`, q.bytesPerDay-a.bytes, int(untilMidnight(now).Seconds())))
		}
		return nil
	})
	return strings.Join(p, ", ")
}
