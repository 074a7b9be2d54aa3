package s3store

import (
	"context"

	"claimcheck.example/internal/job"
)

var _ job.EventLogs = (*Store)(nil)

func eventsKey(id job.ID) string { return "deliveries/" + string(id) }

// LoadEvents implements job.EventLogs: one GetObject.
func (s *Store) LoadEvents(ctx context.Context, id job.ID) (*job.EventLog, error) {
	raw, tag, err := s.get(ctx, eventsKey(id))
	if err != nil {
		return nil, err
	}
	l, err := job.DecodeEventLog(raw)
	if err != nil {
		return nil, err
	}
	l.Version = tag
	return l, nil
}

// SaveEvents implements job.EventLogs: PutObject with If-Match, or If-None-Match: * for the
// first.
func (s *Store) SaveEvents(ctx context.Context, id job.ID, l *job.EventLog) (string, error) {
	var ifMatch *string
	if l.Version != "" {
		ifMatch = quoted(l.Version)
	}
	return s.putIf(ctx, eventsKey(id), l, ifMatch, l.Revision, func(ctx context.Context) (tag, revision string, err error) {
		there, err := s.LoadEvents(ctx, id)
		if err != nil {
			return "", "", err
		}
		return there.Version, there.Revision, nil
	})
}

// EraseEvents implements job.EventLogs: one DeleteObject.
func (s *Store) EraseEvents(ctx context.Context, id job.ID) error {
	return s.remove(ctx, eventsKey(id), "")
}
