package pgstore

import (
	"context"
	"crypto/sha256"
	"iter"
	"time"

	"claimcheck.example/internal/job"
)

// RecordUsage implements job.Ledger: one INSERT. The record that is there stays.
func (s *Store) RecordUsage(ctx context.Context, owner string, ended time.Time, id job.ID, record []byte) error {
	_, err := s.db.exec(ctx, "record usage", `
		INSERT INTO claimcheck.usage (owner_key, day, job_id, record) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, ownerKey(owner), day(ended), string(id), record)
	return err
}

// ReadUsage implements job.Ledger: one SELECT for each 1000 records.
func (s *Store) ReadUsage(ctx context.Context, owner string, from, to time.Time) iter.Seq2[[]byte, error] {
	return s.readUsage(ctx, ownerKey(owner), from, to)
}

// ReadUsageOfAll is ReadUsage for one owner after the other, in no promised order of
// owners.
func (s *Store) ReadUsageOfAll(ctx context.Context, from, to time.Time) iter.Seq2[[]byte, error] {
	return s.readUsage(ctx, nil, from, to)
}

// usageRow is a record with its place in the order of records.
type usageRow struct {
	owner  []byte
	day    time.Time
	job    string
	record []byte
}

// readUsage yields the records of one owner, or of all owners when the key is nil.
func (s *Store) readUsage(ctx context.Context, owner []byte, from, to time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var last *usageRow
		for {
			page, err := s.usagePage(ctx, owner, last, from, to)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range page {
				if !yield(r.record, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			last = &page[len(page)-1]
		}
	}
}

const (
	usageColumns = `SELECT owner_key, day, job_id::text, record FROM claimcheck.usage
		WHERE day BETWEEN $1 AND $2 AND (owner_key, day, job_id) > ($3, $4, $5)`
	usageOrder = ` ORDER BY owner_key, day, job_id LIMIT $6`
	usageOfAll = usageColumns + usageOrder
	usageOfOne = usageColumns + ` AND owner_key = $7` + usageOrder
)

func (s *Store) usagePage(ctx context.Context, owner []byte, last *usageRow, from, to time.Time) (page []usageRow, err error) {
	after := usageRow{owner: owner, day: day(from).AddDate(0, 0, -1), job: "00000000-0000-0000-0000-000000000000"}
	if after.owner == nil {
		after.owner = []byte{}
	}
	if last != nil {
		after = *last
	}
	sql, args := usageOfAll, []any{day(from), day(to), after.owner, after.day, after.job, pageRows}
	if owner != nil {
		sql, args = usageOfOne, append(args, owner)
	}
	err = s.db.do(ctx, "read usage", func(ctx context.Context) error {
		page = page[:0]
		rows, err := s.db.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r usageRow
			if err := rows.Scan(&r.owner, &r.day, &r.job, &r.record); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	})
	return page, err
}

// ownerKey names an owner in an index: of a fixed size, whatever the owner's length and
// characters. The owner itself is in the record.
func ownerKey(owner string) []byte {
	sum := sha256.Sum256([]byte(owner))
	return sum[:]
}

// day returns the day (UTC) of t.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
