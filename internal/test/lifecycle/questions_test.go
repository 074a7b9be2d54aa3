package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// slowLedger answers a question when it is released.
type slowLedger struct {
	*ledger
	release chan struct{}
}

func (l slowLedger) SumUsage(ctx context.Context, owner string, from, to time.Time) ([]job.UsageDay, error) {
	<-l.release
	return l.ledger.SumUsage(ctx, owner, from, to)
}

// TestOneQuestionForUsageAtATime asks while a question of the same caller is not answered.
// Other callers are answered meanwhile, and the caller afterwards.
func TestOneQuestionForUsageAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newSystemWith(t, func(c *service.Config) { c.Ledger = slowLedger{c.Ledger.(*ledger), release} })
		bob := alice
		bob.Subject = "bob"
		ask := func(who job.Caller) error {
			_, err := s.service.Usage(t.Context(), who, alice.Owner(), time.Now(), time.Now())
			return err
		}
		answers := make(chan error, 2)
		go func() { answers <- ask(alice) }()
		go func() { answers <- ask(bob) }()
		synctest.Wait()
		wantKind(t, ask(alice), job.Exhausted)
		close(release)
		for range 2 {
			if err := <-answers; err != nil {
				t.Errorf("a first question: %v", err)
			}
		}
		if err := ask(alice); err != nil {
			t.Errorf("after its answer: %v", err)
		}
	})
}

// TestWatchesCountForTheirOwner has one caller watch a job as often as it may. Another caller
// finds a place all the same, and the first one does again once a watch has ended.
func TestWatchesCountForTheirOwner(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	bob := alice
	bob.Subject = "bob"
	j := s.submit(t, "IMG one")
	watch := func(who job.Caller) *service.Watch {
		t.Helper()
		w, _, err := s.service.Watch(t.Context(), who, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	var following []*service.Watch
	for {
		w := watch(alice)
		if !w.Follows() {
			w.Close()
			break
		}
		following = append(following, w)
	}
	if len(following) != 3 { // of four places
		t.Errorf("one caller follows %d times, want 3", len(following))
	}
	w := watch(bob)
	if !w.Follows() {
		t.Error("another caller finds no place")
	}
	w.Close()
	following[0].Close()
	if following[0] = watch(alice); !following[0].Follows() {
		t.Error("the place of a watch that has ended does not come back")
	}
	for _, w := range following {
		w.Close()
	}
	s.drain(t)
}
