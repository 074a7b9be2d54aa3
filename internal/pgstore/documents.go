package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"claimcheck.example/internal/job"
)

// Store keeps job documents and usage records. It is safe for concurrent use. The version
// of a document is its revision.
type Store struct{ db *DB }

var (
	_ job.Documents = (*Store)(nil)
	_ job.Ledger    = (*Store)(nil)
	_ job.Index     = (*Store)(nil)
)

// NewStore returns the documents and the ledger of a database.
func NewStore(db *DB) *Store { return &Store{db} }

// Ready implements part of job.Store: it reports whether the database answers and has the
// schema that this release needs.
func (s *Store) Ready(ctx context.Context) error { return s.db.ready(ctx) }

// Create implements job.Documents: one INSERT.
func (s *Store) Create(ctx context.Context, j *job.Job) (string, error) {
	raw, err := encode(j)
	if err != nil {
		return "", err
	}
	rows, err := s.db.exec(ctx, "create job", `
		INSERT INTO claimcheck.jobs (id, revision, document, created_at, owner_key) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO NOTHING`, string(j.ID), j.Revision, raw, j.CreatedAt, ownerKey(j.Owner))
	if err != nil || rows == 1 {
		return j.Revision, err
	}
	return s.decide(ctx, "jobs", string(j.ID), j.Revision)
}

// Swap implements job.Documents: one UPDATE. With the document that ends a job it also records
// the usage, so that both become durable at once; the ledger then finds the record.
func (s *Store) Swap(ctx context.Context, j *job.Job) (string, error) {
	raw, err := encode(j)
	if err != nil {
		return "", err
	}
	sql, args := swap, []any{string(j.ID), j.Version, j.Revision, raw}
	switch {
	case j.Deleted:
	case j.Status.Over() && j.Worker == "": // else that worker bills, with the time of its attempt
		u, record, err := j.EncodeUsage()
		if err != nil {
			return "", err
		}
		if record != nil {
			sql, args = swapAndBill, append(args, ownerKey(u.Owner), day(u.EndedAt), string(j.ObjectID()), record)
		}
	case j.Status == job.Processing:
		sql = swapLazily
	case j.Status == job.Pending: // perhaps in the place of a submit that was not accepted, with a time of its own
		sql, args = swapPending, append(args, j.CreatedAt)
	}
	rows, err := s.db.exec(ctx, "swap job", sql, args...)
	s.changed(j.ID)
	if err != nil || rows == 1 {
		return j.Revision, err
	}
	return s.decide(ctx, "jobs", string(j.ID), j.Revision)
}

const (
	swap = `
		UPDATE claimcheck.jobs SET revision = $3, document = $4, written_at = now()
		WHERE id = $1 AND revision = $2`
	swapPending = `
		UPDATE claimcheck.jobs SET revision = $3, document = $4, created_at = $5, written_at = now()
		WHERE id = $1 AND revision = $2`
	swapAndBill = `
		WITH swapped AS (` + swap + ` RETURNING 1),
		billed AS (
			INSERT INTO claimcheck.usage (owner_key, day, job_id, record) SELECT $5, $6, $7, $8 FROM swapped
			ON CONFLICT DO NOTHING
		)
		SELECT FROM swapped`
	// swapLazily is for claims, leases and progress, which no client depends on. If a crash
	// undoes one, its worker finds that it has lost the lease, as after a delay. A later durable
	// write of that worker makes the claim durable too.
	swapLazily = `
		UPDATE claimcheck.jobs SET revision = $3, document = $4, written_at = now()
		FROM ` + lazily + ` WHERE id = $1 AND revision = $2`
)

// decide determines whether a write that changed no row had taken effect in an earlier attempt
// without an answer: then the row has its revision.
func (s *Store) decide(ctx context.Context, table, id, revision string) (string, error) {
	var there string
	err := s.db.row(ctx, "read revision", []any{&there}, `SELECT revision FROM claimcheck.`+table+` WHERE id = $1`, id)
	switch {
	case err == nil && there == revision:
		return there, nil
	case err == nil:
		return "", job.Wrap(job.Conflict, fmt.Errorf("row %s of %s is at revision %s", id, table, there), sayConflict)
	case job.KindOf(err) == job.NotFound:
		return "", job.Wrap(job.Conflict, fmt.Errorf("row %s of %s is gone", id, table), sayConflict)
	}
	return "", err
}

// Load implements job.Documents: one SELECT.
func (s *Store) Load(ctx context.Context, id job.ID) (*job.Job, error) {
	var revision string
	var raw []byte
	err := s.db.row(ctx, "load job", []any{&revision, &raw}, `SELECT revision, document FROM claimcheck.jobs WHERE id = $1`, string(id))
	if err != nil {
		return nil, err
	}
	j, err := job.DecodeDocument(id, raw)
	if err != nil {
		return nil, err
	}
	j.Version = revision
	return j, nil
}

// Erase implements job.Documents: one DELETE. An empty version erases any document, including
// one that Load cannot read.
func (s *Store) Erase(ctx context.Context, id job.ID, version string) error {
	rows, err := s.db.exec(ctx, "erase job", `
		DELETE FROM claimcheck.jobs WHERE id = $1 AND ($2 = '' OR revision = $2)`, string(id), version)
	s.changed(id)
	if err != nil || rows == 1 {
		return err
	}
	var there string
	err = s.db.row(ctx, "read revision", []any{&there}, `SELECT revision FROM claimcheck.jobs WHERE id = $1`, string(id))
	switch {
	case job.KindOf(err) == job.NotFound:
		return nil
	case err != nil:
		return err
	}
	return job.Wrap(job.Conflict, fmt.Errorf("job %s is at revision %s", id, there), sayConflict)
}

// pageRows is the number of rows that one query of a long list returns.
const pageRows = 1000

// Jobs implements job.Index: one SELECT for each 1000 jobs, in the order of their
// identifiers.
func (s *Store) Jobs(ctx context.Context, from, to time.Time) iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		after := "00000000-0000-0000-0000-000000000000"
		for {
			page, err := s.jobsPage(ctx, after, from, to)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page {
				if !yield(job.ID(id), nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			after = page[len(page)-1]
		}
	}
}

func (s *Store) jobsPage(ctx context.Context, after string, from, to time.Time) (page []string, err error) {
	err = s.db.do(ctx, "list jobs", func(ctx context.Context) error {
		page = page[:0]
		rows, err := s.db.pool.Query(ctx, `
			SELECT id::text FROM claimcheck.jobs
			WHERE id > $1 AND ($2::timestamptz IS NULL OR written_at >= $2) AND ($3::timestamptz IS NULL OR written_at <= $3)
			ORDER BY jobs.id LIMIT $4`, after, bound(from), bound(to), pageRows)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			page = append(page, id)
		}
		return rows.Err()
	})
	return page, err
}

// bound returns a time as an argument, NULL for the zero time.
func bound(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func encode(j *job.Job) ([]byte, error) {
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode the document of job %s: %w", j.ID, err)
	}
	return raw, nil
}
