package job

import (
	"context"
	"time"
)

// Ledger keeps usage records. Strongly consistent and safe for concurrent use.
type Ledger interface {
	// RecordUsage writes the record of a job that ended at the given time. The first
	// record stays; no error when there is one already. The id is [Job.ObjectID].
	RecordUsage(ctx context.Context, owner string, ended time.Time, id ID, record []byte) error
	// SumUsage returns what owner used on those of the days from..to (UTC, both included)
	// on which a job of its ended, in order. It counts every record that was written before
	// the call, however late.
	SumUsage(ctx context.Context, owner string, from, to time.Time) ([]UsageDay, error)
}
