package pgstore

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

var _ job.Lists = (*Store)(nil)

// Enlist implements job.Lists: the row of the job is in the index of its owner.
func (s *Store) Enlist(context.Context, *job.Job) error { return nil }

// Delist implements job.Lists: the row leaves the index when Erase deletes it.
func (s *Store) Delist(context.Context, *job.Job) error { return nil }

// The bounds of a list without bounds.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// List implements job.Lists: one SELECT that reads the index from its first row on.
func (s *Store) List(ctx context.Context, owner string, w job.Window) (page *job.Page, err error) {
	limit, from, to := max(1, w.Limit), firstTime, lastTime
	if !w.Since.IsZero() {
		from = w.Since
	}
	if !w.Until.IsZero() {
		to = w.Until
	}
	after, afterID := lastTime, "00000000-0000-0000-0000-000000000000"
	if w.After.ID != "" {
		after, afterID = w.After.CreatedAt, string(w.After.ID)
		if after.Before(to) {
			to = after
		}
	}
	err = s.db.do(ctx, "list", func(ctx context.Context) error {
		page = &job.Page{Last: w.After}
		rows, err := s.db.pool.Query(ctx, `
			SELECT id::text, created_at, revision, document FROM claimcheck.jobs
			WHERE owner_key = $1 AND created_at BETWEEN $2 AND $3 AND (created_at <> $4 OR id > $5)
			ORDER BY created_at DESC, id LIMIT $6`, ownerKey(owner), from, to, after, afterID, limit+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if page.Looked == limit {
				page.More = true
				break
			}
			var place job.Place
			var revision string
			var raw []byte
			if err := rows.Scan(&place.ID, &place.CreatedAt, &revision, &raw); err != nil {
				return err
			}
			page.Looked++
			page.Last = place
			j, err := job.DecodeDocument(place.ID, raw)
			switch {
			case job.KindOf(err) == job.Corrupt:
				page.Damaged = append(page.Damaged, place.ID)
			case err != nil:
				return err
			case j.Owner == owner:
				j.Version = revision
				page.Jobs = append(page.Jobs, j)
			}
		}
		rows.Close()
		return rows.Err()
	})
	return page, err
}
