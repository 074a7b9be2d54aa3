package s3store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
)

var _ job.EventLogs = (*Store)(nil)

func eventsKey(id job.ID) string { return "deliveries/" + string(id) }

// LoadEvents implements job.EventLogs: one GetObject.
func (s *Store) LoadEvents(ctx context.Context, id job.ID) (*job.EventLog, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	key := eventsKey(id)
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return nil, s.translate(caller, "GetObject "+key, err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, job.MaxDocument+1))
	if err != nil {
		return nil, s.translate(caller, "GetObject "+key, err)
	}
	l, err := job.DecodeEventLog(raw)
	if err != nil {
		return nil, err
	}
	l.Version = unquoted(out.ETag)
	return l, nil
}

// SaveEvents implements job.EventLogs: PutObject with If-Match, or If-None-Match: * for the
// first. When the outcome is in doubt it reads what is there.
func (s *Store) SaveEvents(ctx context.Context, id job.ID, l *job.EventLog) (string, error) {
	body, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("encode the event log of job %s: %w", id, err)
	}
	if err := s.Proved(ctx); err != nil {
		return "", err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	in := s.jsonObject(eventsKey(id), body)
	if l.Version == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = quoted(l.Version)
	}
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return unquoted(out.ETag), nil
	}
	err = s.translate(caller, "PutObject "+*in.Key, err)
	if job.KindOf(err) == job.NotFound { // If-Match on what is gone
		err = job.Wrap(job.Conflict, err, sayConflict)
	}
	if !undecided(err) || caller.Err() != nil {
		return "", err
	}
	if there, lerr := s.LoadEvents(caller, id); lerr == nil && there.Revision == l.Revision {
		return there.Version, nil
	} else if lerr == nil && there.Version != l.Version {
		return "", job.Wrap(job.Conflict, err, sayConflict)
	}
	return "", err
}

// EraseEvents implements job.EventLogs: one DeleteObject.
func (s *Store) EraseEvents(ctx context.Context, id job.ID) error {
	return s.remove(ctx, eventsKey(id), "")
}
