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
