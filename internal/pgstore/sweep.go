package pgstore

import (
	"context"
	"time"
)

// sweepRows bounds the rows that one statement of a sweep deletes, and so its duration.
const sweepRows = 1000

// SweepJobs deletes the documents whose last change was before the given time, and returns
// their number. Usage records stay.
func (s *Store) SweepJobs(ctx context.Context, before time.Time) (int, error) {
	return s.db.sweep(ctx, "sweep jobs", `
		DELETE FROM claimcheck.jobs WHERE id IN (
			SELECT id FROM claimcheck.jobs WHERE created_at < $1 AND written_at < $1
			ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, sweepRows)
}

// SweepMessages deletes the messages that were sent before the given time, and returns their
// number.
func (q *Queue) SweepMessages(ctx context.Context, before time.Time) (int, error) {
	return q.db.sweep(ctx, "sweep messages", `
		DELETE FROM claimcheck.messages WHERE id IN (
			SELECT id FROM claimcheck.messages WHERE sent_at < $1 AND queue = $3
			LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, sweepRows, q.opts.Name)
}

// sweep repeats a statement until it deletes fewer rows than its maximum.
func (d *DB) sweep(ctx context.Context, operation, sql string, args ...any) (total int, err error) {
	for {
		rows, err := d.exec(ctx, operation, sql, args...)
		total += int(rows)
		if err != nil || rows < sweepRows {
			return total, err
		}
	}
}
