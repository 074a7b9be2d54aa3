package job

import (
	"context"
	"iter"
	"time"
)

// Ledger keeps usage records. Strongly consistent and safe for concurrent use.
type Ledger interface {
	// RecordUsage writes the record of a job that ended at the given time. The first
	// record stays; no error when there is one already. The id is [Job.ObjectID].
	RecordUsage(ctx context.Context, owner string, ended time.Time, id ID, record []byte) error
	// ReadUsage yields owner's records of the days from..to (UTC, both included), day by
	// day. It ends at the first error.
	ReadUsage(ctx context.Context, owner string, from, to time.Time) iter.Seq2[[]byte, error]
}
