package job

import (
	"context"
	"iter"
	"time"
)

// Index lists the jobs that have documents. Safe for concurrent use.
type Index interface {
	// Jobs yields the jobs whose documents were last written from..to by the store's own
	// clock (both included; a zero time does not bound), each once; those written meanwhile may
	// be missing. It ends at the first error, whose kinds are those of [Documents].
	Jobs(ctx context.Context, from, to time.Time) iter.Seq2[ID, error]
}
