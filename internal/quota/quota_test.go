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
		if err := q.Submit("alice"); err != nil {
			t.Fatalf("submit %d: %v", i, err)
		}
	}
	err := q.Submit("alice")
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Kind != job.Exhausted || e.RetryAfter < 20*time.Second || e.RetryAfter > 31*time.Second {
		t.Fatalf("fourth submit: %+v", err)
	}
	if err := q.Submit("bob"); err != nil {
		t.Errorf("another owner: %v", err)
	}
	if got, want := q.Left("alice"), `"submits";r=0;t=20`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
	c.t = c.t.Add(20 * time.Second)
	if err := q.Submit("alice"); err != nil {
		t.Errorf("a third of a minute later: %v", err)
	}
}

func TestBytesADay(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := quota.New(0, 100, c.now)
	if err := q.Bytes("alice", 60); err != nil {
		t.Fatal(err)
	}
	err := q.Bytes("alice", 50)
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Kind != job.Exhausted || e.RetryAfter != 6*time.Hour {
		t.Fatalf("over the day's bytes: %+v", err)
	}
	if err := q.Bytes("alice", 40); err != nil {
		t.Errorf("what is left: %v", err)
	}
	if q.Submit("alice") == nil {
		t.Error("with nothing left a body is read in vain")
	}
	if got, want := q.Left("alice"), `"bytes";r=0;t=21600`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
	c.t = c.t.Add(6 * time.Hour)
	if err := q.Bytes("alice", 100); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

func TestWithoutLimitsNothingIsKept(t *testing.T) {
	t.Parallel()
	q := quota.New(0, 0, time.Now)
	for range 1000 {
		if q.Submit("alice") != nil || q.Bytes("alice", 1<<40) != nil {
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
		if err := q.Submit(fmt.Sprint("owner ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if q.Submit("owner 10000") == nil {
		t.Error("the last owner's submit is forgotten")
	}
	if err := q.Submit("owner 0"); err != nil {
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
		if err := q.Submit(owner); err != nil {
			t.Fatalf("submit of %s: %v", owner, err)
		}
	}
	for i := range 10_000 {
		submit(fmt.Sprint("owner ", i))
	}
	submit("owner 0")
	submit("one more")
	if q.Submit("owner 0") == nil {
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
		_ = q.Submit(fmt.Sprint("first ", i))
	}
	for i := 0; b.Loop(); i++ {
		if err := q.Submit(strconv.Itoa(i)); err != nil {
			b.Fatal(err)
		}
	}
}
