package quota_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/quota"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)} }

func TestSubmitsAMinute(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := quota.New(3, 0, c.now)
	for i := range 3 {
		if err := q.Request("alice", job.NewJobs, 0); err != nil {
			t.Fatalf("submit %d: %v", i, err)
		}
	}
	err := q.Request("alice", job.NewJobs, 0)
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Kind != job.Exhausted || e.RetryAfter < 20*time.Second || e.RetryAfter > 31*time.Second {
		t.Fatalf("fourth submit: %+v", err)
	}
	if err := q.Request("bob", job.NewJobs, 0); err != nil {
		t.Errorf("another owner: %v", err)
	}
	if got, want := q.Left("alice"), `"submits";r=0;t=20`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
	c.t = c.t.Add(20 * time.Second)
	if err := q.Request("alice", job.NewJobs, 0); err != nil {
		t.Errorf("a third of a minute later: %v", err)
	}
}

func TestBytesADay(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := quota.New(0, 100, c.now)
	if err := q.Bytes("alice", job.NewJobs, 60); err != nil {
		t.Fatal(err)
	}
	err := q.Request("alice", job.NewJobs, 50)
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Kind != job.Exhausted || e.RetryAfter != 6*time.Hour {
		t.Fatalf("over the day's bytes: %+v", err)
	}
	if err := q.Bytes("alice", job.NewJobs, 40); err != nil {
		t.Errorf("what is left: %v", err)
	}
	if q.Request("alice", job.NewJobs, 0) == nil {
		t.Error("with nothing left a body is read in vain")
	}
	if got, want := q.Left("alice"), `"bytes";r=0;t=21600`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
	c.t = c.t.Add(6 * time.Hour)
	if err := q.Bytes("alice", job.NewJobs, 100); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// TestBytesReadBeyondTheLimitUseItUp reads more than is left of a body that announced
// nothing.
func TestBytesReadBeyondTheLimitUseItUp(t *testing.T) {
	t.Parallel()
	q := quota.New(0, 100, newClock().now)
	if err := q.Bytes("alice", job.NewJobs, 101); job.KindOf(err) != job.Exhausted {
		t.Errorf("over the limit: %v", err)
	}
	if err := q.Request("alice", job.NewJobs, 1); job.KindOf(err) != job.Exhausted {
		t.Errorf("after that: %v", err)
	}
}

// TestRepeatsHaveAnAccountOfTheirOwn uses up both accounts.
func TestRepeatsHaveAnAccountOfTheirOwn(t *testing.T) {
	t.Parallel()
	q := quota.New(2, 100, newClock().now)
	for account, want := range map[job.Account]int{job.NewJobs: 2, job.Repeats: 4} {
		n := 0
		for n < 10 && q.Request("alice", account, 20) == nil {
			n++
		}
		if n != want {
			t.Errorf("account %d takes %d requests, want %d", account, n, want)
		}
	}
}

// TestRefund gives back what was booked, and never more than there may be.
func TestRefund(t *testing.T) {
	t.Parallel()
	q := quota.New(1, 100, newClock().now)
	for range 5 {
		if err := q.Request("alice", job.NewJobs, 100); err != nil {
			t.Fatal(err)
		}
		q.Refund("alice", job.NewJobs, 1, 100)
		q.Refund("alice", job.NewJobs, 1, 100)
	}
	if got, want := q.Left("alice"), `"submits";r=1;t=60, "bytes";r=100;t=21600`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
}

func TestWithoutLimitsNothingIsKept(t *testing.T) {
	t.Parallel()
	q := quota.New(0, 0, time.Now)
	for range 1000 {
		if q.Request("alice", job.NewJobs, 0) != nil || q.Bytes("alice", job.NewJobs, 1<<40) != nil {
			t.Fatal("refused")
		}
	}
	if q.Policy()+q.Left("alice") != "" {
		t.Errorf("headers are %q and %q", q.Policy(), q.Left("alice"))
	}
}

func TestOwnersAreForgottenInOrder(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := quota.New(1, 0, c.now)
	for i := range 10_001 {
		c.t = c.t.Add(time.Microsecond)
		if err := q.Request(fmt.Sprint("owner ", i), job.NewJobs, 0); err != nil {
			t.Fatal(err)
		}
	}
	if q.Request("owner 10000", job.NewJobs, 0) == nil {
		t.Error("the last owner's submit is forgotten")
	}
	if err := q.Request("owner 0", job.NewJobs, 0); err != nil {
		t.Errorf("the first owner is remembered: %v", err)
	}
}

// TestOwnersThatComeBackStay fills the quota, has the first owner come back, and then
// sees another owner: the second owner must go, not the first.
func TestOwnersThatComeBackStay(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := quota.New(2, 0, c.now)
	submit := func(owner string) {
		t.Helper()
		c.t = c.t.Add(time.Microsecond)
		if err := q.Request(owner, job.NewJobs, 0); err != nil {
			t.Fatalf("submit of %s: %v", owner, err)
		}
	}
	for i := range 10_000 {
		submit(fmt.Sprint("owner ", i))
	}
	submit("owner 0")
	submit("one more")
	if q.Request("owner 0", job.NewJobs, 0) == nil {
		t.Error("the quota forgot an owner that came back")
	}
	if got, want := q.Left("owner 1"), `"submits";r=2;t=30`; got != want {
		t.Errorf("the owner seen longest ago has %s left, want %s", got, want)
	}
}

// BenchmarkNewOwner submits for owners that a full quota has not seen, each of which
// makes it forget another.
func BenchmarkNewOwner(b *testing.B) {
	q := quota.New(1, 0, time.Now)
	for i := range 10_000 {
		_ = q.Request(fmt.Sprint("first ", i), job.NewJobs, 0)
	}
	for i := 0; b.Loop(); i++ {
		if err := q.Request(strconv.Itoa(i), job.NewJobs, 0); err != nil {
			b.Fatal(err)
		}
	}
}
