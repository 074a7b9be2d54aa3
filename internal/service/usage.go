package service

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

// maxUsageDays bounds one question.
const maxUsageDays = 366

// Usage sums up what owner used on the days from..to (UTC, both included).
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
	for u, err := range job.Bill(ledger.ReadUsage(ctx, owner, from, to), from, to) {
		return u, err // all records are of one owner
	}
	return job.NewUsage(owner, from, to), nil
}
