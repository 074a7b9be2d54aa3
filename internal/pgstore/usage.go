package pgstore

import (
	"context"
	"crypto/sha256"
	"iter"
	"time"

	"claimcheck.example/internal/job"
)

// RecordUsage implements job.Ledger: one INSERT. An existing record stays.
func (s *Store) RecordUsage(ctx context.Context, owner string, ended time.Time, id job.ID, record []byte) error {
	_, err := s.db.exec(ctx, "record usage", `
		INSERT INTO claimcheck.usage (owner_key, day, job_id, record) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, ownerKey(owner), day(ended), string(id), record)
	return err
}

// ReadUsage yields owner's records of the days from..to, day by day: one SELECT for each 1000
// records.
func (s *Store) ReadUsage(ctx context.Context, owner string, from, to time.Time) iter.Seq2[[]byte, error] {
	return s.readUsage(ctx, ownerKey(owner), from, to)
}

// ReadUsageOfAll is ReadUsage for all owners, in an unspecified order of owners.
func (s *Store) ReadUsageOfAll(ctx context.Context, from, to time.Time) iter.Seq2[[]byte, error] {
	return s.readUsage(ctx, nil, from, to)
}

// SumUsage implements job.Ledger: one SELECT, which reads all records of the days.
func (s *Store) SumUsage(ctx context.Context, owner string, from, to time.Time) (days []job.UsageDay, err error) {
	err = s.db.do(ctx, "sum up usage", func(ctx context.Context) error {
		days = nil
		rows, err := s.db.pool.Query(ctx, sumUsage, ownerKey(owner), day(from), day(to))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d job.UsageDay
			if err := rows.Scan(&d.Day, &d.Jobs, &d.Completed, &d.Canceled, &d.Deleted, &d.BytesIn, &d.BytesOut, &d.Pixels, &d.ProcessingSeconds, &d.Units, &d.Requests.StoreWrites, &d.Requests.StoreReads, &d.Requests.Queue, &d.Uncounted); err != nil {
				return err
			}
			d.Failed = d.Jobs - d.Completed - d.Canceled - d.Deleted
			days = append(days, d)
		}
		return rows.Err()
	})
	return days, err
}

// sumUsage sums like job.UsageDay.Add.
const sumUsage = `
	SELECT to_char(day, 'YYYY-MM-DD'), count(*),
		count(*) FILTER (WHERE r->>'outcome' = 'completed'),
		count(*) FILTER (WHERE r->>'outcome' = 'canceled'),
		count(*) FILTER (WHERE r->>'outcome' = 'deleted'),
		coalesce(sum((r->>'bytes_in')::numeric), 0)::bigint,
		coalesce(sum((r->>'bytes_out')::numeric), 0)::bigint,
		coalesce(sum((r->>'pixels')::numeric), 0)::bigint,
		coalesce(round(sum((r->>'processing_seconds')::numeric), 6), 0)::double precision,
		coalesce(round(sum((r->>'units')::numeric), 6), 0)::double precision,
		coalesce(sum((r->'requests'->>'store_writes')::numeric), 0)::bigint,
		coalesce(sum((r->'requests'->>'store_reads')::numeric), 0)::bigint,
		coalesce(sum((r->'requests'->>'queue')::numeric), 0)::bigint,
		count(*) FILTER (WHERE r->'requests' IS NULL)
	FROM (SELECT day, convert_from(record, 'UTF8')::jsonb AS r FROM claimcheck.usage
		WHERE owner_key = $1 AND day BETWEEN $2 AND $3) AS records
	GROUP BY day ORDER BY day`

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
	usageOrder = ` ORDER BY owner_key, day, usage.job_id LIMIT $6`
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

// ownerKey identifies an owner in an index. It has a fixed size for any length and characters
// of the owner. The record has the owner itself.
func ownerKey(owner string) []byte {
	sum := sha256.Sum256([]byte(owner))
	return sum[:]
}

// day returns the day (UTC) of t.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
