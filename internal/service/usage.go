package service

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

// maxUsageDays bounds one question.
const maxUsageDays = 366

// Usage sums up what owner used on the days from..to (UTC, both included). It answers one
// question of a caller at a time; others are Exhausted.
func (s *Service) Usage(ctx context.Context, who job.Caller, owner string, from, to time.Time) (*job.Usage, error) {
	ledger, err := s.authz.Usage(ctx, who, owner)
	if err != nil {
		return nil, err
	}
	if to.Before(from) {
		return nil, job.Errorf(job.Invalid, "from is later than to")
	}
	if to.Sub(from) >= maxUsageDays*24*time.Hour {
		return nil, job.Errorf(job.Invalid, "usage covers at most %d days at a time", maxUsageDays)
	}
	if _, asking := s.asking.LoadOrStore(who.Owner(), true); asking {
		return nil, &job.Error{Kind: job.Exhausted, RetryAfter: time.Second, Message: "another question of yours for usage is not answered yet; ask one at a time"}
	}
	defer s.asking.Delete(who.Owner())
	days, err := ledger.SumUsage(ctx, owner, from, to)
	if err != nil {
		return nil, err
	}
	u := job.NewUsage(owner, from, to)
	for _, d := range days {
		u.AddDay(d)
	}
	return u, nil
}
