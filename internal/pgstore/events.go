package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"claimcheck.example/internal/job"
)

var _ job.EventLogs = (*Store)(nil)

// LoadEvents implements job.EventLogs: one SELECT.
func (s *Store) LoadEvents(ctx context.Context, id job.ID) (*job.EventLog, error) {
	var revision string
	var raw []byte
	err := s.db.row(ctx, "load deliveries", []any{&revision, &raw}, `SELECT revision, document FROM claimcheck.deliveries WHERE id = $1`, string(id))
	if err != nil {
		return nil, err
	}
	l, err := job.DecodeEventLog(raw)
	if err != nil {
		return nil, err
	}
	l.Version = revision
	return l, nil
}

// SaveEvents implements job.EventLogs: one INSERT or UPDATE.
func (s *Store) SaveEvents(ctx context.Context, id job.ID, l *job.EventLog) (string, error) {
	raw, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("encode the event log of job %s: %w", id, err)
	}
	var rows int64
	if l.Version == "" {
		rows, err = s.db.exec(ctx, "create deliveries", `
			INSERT INTO claimcheck.deliveries (id, revision, document) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO NOTHING`, string(id), l.Revision, raw)
	} else {
		rows, err = s.db.exec(ctx, "swap deliveries", `
			UPDATE claimcheck.deliveries SET revision = $3, document = $4, written_at = now()
			WHERE id = $1 AND revision = $2`, string(id), l.Version, l.Revision, raw)
	}
	if err != nil || rows == 1 {
		return l.Revision, err
	}
	return s.decide(ctx, "deliveries", string(id), l.Revision)
}

// EraseEvents implements job.EventLogs: one DELETE.
func (s *Store) EraseEvents(ctx context.Context, id job.ID) error {
	_, err := s.db.exec(ctx, "erase deliveries", `DELETE FROM claimcheck.deliveries WHERE id = $1`, string(id))
	return err
}

// SweepEvents deletes the event logs whose last change was before the given time, and returns
// their number.
func (s *Store) SweepEvents(ctx context.Context, before time.Time) (int, error) {
	return s.db.sweep(ctx, "sweep deliveries", `
		DELETE FROM claimcheck.deliveries WHERE id IN (
			SELECT id FROM claimcheck.deliveries WHERE written_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, sweepRows)
}
