package limiter_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

const (
	small = 256 << 10
	large = 5 << 20
)

func limited(smalls, larges int) *limiter.Limiter {
	return limiter.New(limiter.Options{
		Small: limiter.Share{Bytes: small, Uploads: smalls, Wait: 5 * time.Second},
		Large: limiter.Share{Bytes: large, Uploads: larges, Wait: 30 * time.Second},
	})
}

func take(t *testing.T, l *limiter.Limiter, owner string, size int64) *limiter.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), owner, size)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// TestWaitIsBounded checks that an upload waits for its turn as long as its size allows, and
// is refused then.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size int64
		wait time.Duration
	}{
		"small":        {small, 5 * time.Second},
		"large":        {small + 1, 30 * time.Second},
		"size unknown": {0, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := limited(1, 1)
				first := take(t, l, "a", tt.size)
				begin := time.Now()
				_, err := l.Acquire(t.Context(), "b", tt.size)
				e, _ := errors.AsType[*job.Error](err)
				if job.KindOf(err) != job.Exhausted || e.RetryAfter < time.Second || time.Since(begin) != tt.wait {
					t.Errorf("got %v after %s, want Exhausted after %s", err, time.Since(begin), tt.wait)
				}
				time.AfterFunc(tt.wait/2, first.Release)
				begin = time.Now()
				second := take(t, l, "b", tt.size)
				if waited := time.Since(begin); waited != tt.wait/2 {
					t.Errorf("it waited for %s, want %s", waited, tt.wait/2)
				}
				first.Release() // a second time
				second.Release()
				take(t, l, "a", tt.size)
			})
		})
	}
}

// TestSharesDoNotStarveEachOther takes all of one share: uploads of the other go on.
func TestSharesDoNotStarveEachOther(t *testing.T) {
	t.Parallel()
	for _, taken := range []int64{small, large} {
		l := limited(1, 1)
		take(t, l, "a", taken)
		other := small + large - taken
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() { l.Acquire(ctx, "a", taken) })
		take(t, l, "b", other).Release()
		cancel()
		waiting.Wait()
	}
}

// TestFairShares has one owner ask for all places. It gets all but the reserve, and each
// owner that comes after it as many of the reserve as it leaves free.
func TestFairShares(t *testing.T) {
	t.Parallel()
	for places, want := range map[int][]int{1: {1, 0}, 2: {1, 1, 0}, 3: {2, 1, 0}, 12: {9, 2, 1, 0}, 128: {96, 16, 8}} {
		p := limiter.NewPool(limiter.PoolOptions{Places: places})
		var got []int
		for owner := range want {
			n := 0
			for ; n <= places; n++ {
				if _, ok := p.TryAcquire(strconv.Itoa(owner)); !ok {
					break
				}
			}
			got = append(got, n)
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d places the owners have %v, want %v", places, got, want)
		}
	}
	if _, ok := limiter.NewPool(limiter.PoolOptions{}).TryAcquire("a"); ok {
		t.Error("there is a place among none")
	}
}

// TestOwnerWithTheFewestPlacesComesFirst has one owner hold all that it may and wait for more,
// when others take the rest, and one more waits as well.
func TestOwnerWithTheFewestPlacesComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(4, 1)
		many := []*limiter.Lease{take(t, l, "many", small), take(t, l, "many", small)}
		others := []*limiter.Lease{take(t, l, "b", small), take(t, l, "c", small)}
		var mu sync.Mutex
		var order []string
		var waiting sync.WaitGroup
		for _, owner := range []string{"many", "many", "none", "many", "none yet"} {
			waiting.Go(func() {
				if _, err := l.Acquire(t.Context(), owner, small); err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, owner)
			})
			synctest.Wait()
		}
		for _, lease := range append(others, many...) {
			lease.Release()
			synctest.Wait()
		}
		// Of the places that are free in the end it has half.
		if want := []string{"none", "none yet", "many"}; !slices.Equal(order, want) {
			t.Errorf("the turns were %q, want %q", order, want)
		}
		take(t, l, "late", small)
		waiting.Wait()
	})
}

// TestPlacesComeBackToOthers has one owner hold all that it may, and want more, when another
// one comes and wants as many: each place that becomes free is the other's until both hold
// as many.
func TestPlacesComeBackToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places = 16
		l := limited(places, 1)
		ctx, cancel := context.WithCancel(t.Context())
		held := map[string]int{}
		var mu sync.Mutex
		var many []*limiter.Lease
		var all sync.WaitGroup
		ask := func(owner string) {
			all.Go(func() {
				lease, err := l.Acquire(ctx, owner, small)
				if err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if held[owner]++; owner == "many" {
					many = append(many, lease)
				}
			})
		}
		for _, owner := range []string{"many", "other"} {
			for range 2 * places {
				ask(owner)
			}
			synctest.Wait()
		}
		if held["many"] != 12 || held["other"] != 2 {
			t.Errorf("the places are %v", held)
		}
		for range 6 {
			mu.Lock()
			lease := many[0]
			many = many[1:]
			held["many"]--
			mu.Unlock()
			lease.Release()
			synctest.Wait()
		}
		if held["many"] != 6 || held["other"] != 6 {
			t.Errorf("after six ends the places are %v, want 6 each", held)
		}
		cancel()
		all.Wait()
	})
}

// TestWaitersHaveFairShares has one owner wait for ever more places, and others come when
// there is none free: they wait and get theirs, rather than being refused at once.
func TestWaitersHaveFairShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(1, 1)
		lease := take(t, l, "many", small)
		var waiting sync.WaitGroup
		var refused, granted atomic.Int64
		for range 3000 {
			waiting.Go(func() {
				if _, err := l.Acquire(t.Context(), "many", small); err != nil {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if got, want := refused.Load(), int64(3000-2048); got != want {
			t.Errorf("%d are refused at once, want %d", got, want)
		}
		waiting.Go(func() {
			if got, err := l.Acquire(t.Context(), "none", small); err == nil {
				granted.Add(1)
				got.Release()
			}
		})
		synctest.Wait()
		lease.Release()
		synctest.Wait()
		if granted.Load() != 1 {
			t.Error("the owner that has none is behind the one that waits 2048 times")
		}
		waiting.Wait()
	})
}

// TestOnlyOwnersOfMoreGiveWay has owners of no more and of fewer places wait for one.
func TestOnlyOwnersOfMoreGiveWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(4, 1)
		first := take(t, l, "many", small)
		take(t, l, "many", small)
		one := take(t, l, "one", small)
		var waiting sync.WaitGroup
		waiting.Go(func() { l.Acquire(t.Context(), "many", small) })
		time.Sleep(2 * time.Second)
		if one.Wanted() {
			t.Error("an owner of one place gives way to an owner of two")
		}
		if !first.Wanted() {
			t.Error("an owner does not give way to itself")
		}
		waiting.Wait()
	})
}

// TestOwnersGiveWayToThemselvesSlowly has many of an owner's uploads wait for its own ones:
// these give way one after another, not all at once.
func TestOwnersGiveWayToThemselvesSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(4, 1)
		held := []*limiter.Lease{take(t, l, "a", small), take(t, l, "a", small), take(t, l, "a", small)}
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() { l.Acquire(t.Context(), "a", small) })
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		count := func() (n int) {
			for _, lease := range held {
				if lease.Wanted() {
					n++
				}
			}
			return n
		}
		if n := count(); n != 1 {
			t.Errorf("%d give way at once, want 1", n)
		}
		time.Sleep(50 * time.Millisecond)
		if n := count(); n != 1 {
			t.Errorf("%d give way 50 ms later, want 1", n)
		}
		waiting.Wait()
	})
}

// TestWanted has two uploads wait for the one large place, a second apart. For each of them
// the holder is to give way after a sixth of the wait, and once more after as long again.
func TestWanted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(1, 1)
		lease := take(t, l, "a", large)
		begin := time.Now()
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() { l.Acquire(t.Context(), "b", large) })
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for _, look := range []struct {
			at     time.Duration
			wanted bool
		}{
			{4 * time.Second, false}, {5 * time.Second, true}, {5 * time.Second, false}, {6 * time.Second, true},
			{6 * time.Second, false}, {10 * time.Second, true}, {10 * time.Second, false}, {11 * time.Second, true},
		} {
			time.Sleep(look.at - time.Since(begin))
			if got := lease.Wanted(); got != look.wanted {
				t.Errorf("after %s: wanted is %v", look.at, got)
			}
		}
		if _, ok := l.TryAcquire(); ok {
			t.Error("a spare buffer is to be had while uploads wait")
		}
		lease.Release()
		waiting.Wait()
		if lease.Wanted() {
			t.Error("no upload waits any more, yet one is wanted to give way")
		}
	})
}

// TestSpare takes the room that no upload needs.
func TestSpare(t *testing.T) {
	t.Parallel()
	l := limited(1, 2)
	upload := take(t, l, "a", large)
	release, ok := l.TryAcquire()
	if !ok {
		t.Fatal("there is room for one more")
	}
	if _, ok := l.TryAcquire(); ok {
		t.Error("there is no room left")
	}
	release()
	upload.Release()
	take(t, l, "a", large)
}

// TestLeavingGivesTheTurnBack cancels an upload that waits, before and while it is granted.
func TestLeavingGivesTheTurnBack(t *testing.T) {
	t.Parallel()
	l := limited(1, 1)
	for range 200 {
		lease := take(t, l, "a", small)
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if got, err := l.Acquire(ctx, "b", small); err == nil {
				got.Release()
			} else if job.KindOf(err) != job.Canceled {
				t.Error(err)
			}
		})
		waiting.Go(cancel)
		waiting.Go(lease.Release)
		waiting.Wait()
		cancel()
	}
	take(t, l, "a", small)
}

// TestTwoHundredSubmitsOfOneOwner checks that none of 200 small uploads at once is refused
// with the default places, when each takes a second: three rounds of 96 end within the wait.
func TestTwoHundredSubmitsOfOneOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(128, 12)
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				lease, err := l.Acquire(t.Context(), "a", small)
				if err != nil {
					t.Error(err)
					return
				}
				time.AfterFunc(time.Second, lease.Release)
			})
		}
		all.Wait()
	})
}
