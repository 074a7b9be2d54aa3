package jobtest

import (
	"bytes"
	"context"
	"encoding/json"

	"claimcheck.example/internal/job"
)

// The operations of the twin of job.EventLogs.
const (
	OpLoadEvents  Op = "LoadEvents"
	OpSaveEvents  Op = "SaveEvents"
	OpEraseEvents Op = "EraseEvents"
)

var _ job.EventLogs = (*Store)(nil)

// LoadEvents implements job.EventLogs.
func (s *Store) LoadEvents(ctx context.Context, id job.ID) (*job.EventLog, error) {
	return run(ctx, &s.Faults, OpLoadEvents, func() (*job.EventLog, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		raw, ok := s.events[id]
		if !ok {
			return nil, job.Errorf(job.NotFound, "there are no deliveries of job %s", id)
		}
		l, err := job.DecodeEventLog(raw)
		if err != nil {
			return nil, err
		}
		l.Version = tagOf(raw)
		return l, nil
	})
}

// SaveEvents implements job.EventLogs. It fails the test if the change of a log is invalid.
func (s *Store) SaveEvents(ctx context.Context, id job.ID, l *job.EventLog) (string, error) {
	return run(ctx, &s.Faults, OpSaveEvents, func() (string, error) {
		raw, err := json.Marshal(l)
		if err != nil {
			s.tb.Errorf("jobtest: the event log of %s cannot be written: %v", id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		old, ok := s.events[id]
		switch {
		case ok && bytes.Equal(old, raw):
			return tagOf(old), nil
		case ok != (l.Version != "") || ok && tagOf(old) != l.Version:
			return "", job.Errorf(job.Conflict, "another request changed the deliveries of job %s", id)
		}
		if l.Revision == "" || l.JobID == "" || l.Event == "" || len(l.History) > job.MaxEventTries {
			s.tb.Errorf("jobtest: an event log that may not be: %+v", l)
		}
		if s.events == nil {
			s.events = map[job.ID][]byte{}
		}
		s.events[id] = raw
		return tagOf(raw), nil
	})
}

// EraseEvents implements job.EventLogs.
func (s *Store) EraseEvents(ctx context.Context, id job.ID) error {
	_, err := run(ctx, &s.Faults, OpEraseEvents, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.events, id)
		return struct{}{}, nil
	})
	return err
}
