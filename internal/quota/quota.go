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

// account is an owner's, with a part for each job.Account.
type account struct {
	requests [2]*rate.Limiter
	reads    *rate.Limiter // of documents, by lists
	day      int64         // since the epoch
	bytes    [2]int64      // on that day
}

// readsPerSubmit is how many documents an owner's lists may read for each submit of its
// limit: a full page.
const readsPerSubmit = 100

// newAccount has room for one repeat and one commit of each new job, and for one page of a
// list.
func newAccount(perMinute int) *account {
	bucket := func(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), n) }
	return &account{requests: [2]*rate.Limiter{job.NewJobs: bucket(perMinute), job.Repeats: bucket(2 * perMinute)}, reads: bucket(readsPerSubmit * perMinute)}
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
		a = newAccount(q.perMinute)
		q.owners.Add(owner, a)
	}
	if today := now.Unix() / 86400; a.day != today {
		a.day, a.bytes = today, [2]int64{}
	}
	return f(a, now)
}

// Request implements job.Quota.
func (q *Quota) Request(owner string, of job.Account, announced int64) error {
	return q.with(owner, func(a *account, now time.Time) error {
		if q.bytesPerDay > 0 && (a.bytes[of] >= q.bytesPerDay || announced > q.bytesPerDay-a.bytes[of]) {
			return q.bytesOver(now)
		}
		if q.perMinute > 0 && !a.requests[of].AllowN(now, 1) {
			return q.requestsOver(a.requests[of], of, now)
		}
		a.bytes[of] += announced
		return nil
	})
}

// Bytes implements job.Quota.
func (q *Quota) Bytes(owner string, of job.Account, n int64) error {
	return q.with(owner, func(a *account, now time.Time) error {
		if q.bytesPerDay > 0 && n > q.bytesPerDay-a.bytes[of] {
			a.bytes[of] = q.bytesPerDay
			return q.bytesOver(now)
		}
		a.bytes[of] += n
		return nil
	})
}

// Refund implements job.Quota.
func (q *Quota) Refund(owner string, of job.Account, requests int, bytes int64) {
	_ = q.with(owner, func(a *account, now time.Time) error {
		a.requests[of].AllowN(now, -requests)   // which adds tokens, up to the burst
		a.bytes[of] = max(0, a.bytes[of]-bytes) // a day may have begun since
		return nil
	})
}

// Reads implements job.Quota.
func (q *Quota) Reads(owner string, n int) error {
	return q.with(owner, func(a *account, now time.Time) error {
		if q.perMinute > 0 && !a.reads.AllowN(now, n) {
			return over(a.reads, n, "jobs in lists", readsPerSubmit*q.perMinute, now)
		}
		return nil
	})
}

// Unread implements job.Quota.
func (q *Quota) Unread(owner string, n int) {
	_ = q.with(owner, func(a *account, now time.Time) error {
		a.reads.AllowN(now, -n)
		return nil
	})
}

func (q *Quota) requestsOver(l *rate.Limiter, of job.Account, now time.Time) error {
	if of == job.Repeats {
		return over(l, 1, "repeated submits and commits", 2*q.perMinute, now)
	}
	return over(l, 1, "jobs", q.perMinute, now)
}

// over refuses what wants so many tokens of l, which has limit a minute.
func over(l *rate.Limiter, tokens int, what string, limit int, now time.Time) error {
	wait := time.Duration((float64(tokens) - l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
	return &job.Error{
		Kind: job.Exhausted, RetryAfter: wait + rand.N(wait/2+time.Millisecond),
		Message: fmt.Sprintf("your limit is %d %s per minute; try again shortly", limit, what),
	}
}

func (q *Quota) bytesOver(now time.Time) error {
	return &job.Error{
		Kind: job.Exhausted, RetryAfter: untilMidnight(now),
		Message: fmt.Sprintf("this image would exceed your limit of %d bytes of images per day (UTC); try again tomorrow", q.bytesPerDay),
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
			left := max(0, a.requests[job.NewJobs].TokensAt(now))
			more := (1 + math.Floor(left) - left) * 60 / float64(q.perMinute)
			p = append(p, `"submits";r=`+strconv.Itoa(int(left))+`;t=`+strconv.Itoa(int(math.Ceil(more))))
		}
		if q.bytesPerDay > 0 {
			p = append(p, fmt.Sprintf(`"bytes";r=%d;t=%d`, q.bytesPerDay-a.bytes[job.NewJobs], int(untilMidnight(now).Seconds())))
		}
		return nil
	})
	return strings.Join(p, ", ")
}
