package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"claimcheck.example/internal/job"
)

// ID returns the webhook-id of the end of a job: the same for every try and every process,
// and another for each end that a job comes to. It has no full stop, which separates the
// parts of what is signed.
func ID(j *job.Job) string {
	id := fmt.Sprintf("%s_%s", j.ObjectID(), j.Status)
	if !j.RedrivenAt.IsZero() {
		id += fmt.Sprintf("_%d", j.RedrivenAt.UnixMilli())
	}
	return id
}

// Type returns the type of the event of a job that is over, such as job.completed.
func Type(j *job.Job) string { return "job." + string(j.Status) }

// Log returns the event log of a job, from what loading it has found. The job's own event is
// the latest once the job is over.
func Log(j *job.Job, found *job.EventLog, err error) (*job.EventLog, error) {
	if job.KindOf(err) == job.NotFound {
		found, err = &job.EventLog{JobID: j.ID}, nil
	}
	if err != nil {
		return nil, err
	}
	if j.Status.Over() && j.WebhookDue {
		found.Begin(ID(j), Type(j))
	}
	return found, nil
}

// Body returns what is posted about a job that is over. Status is its status as the API
// returns it.
func Body(j *job.Job, status []byte) ([]byte, error) {
	ended := j.EndedAt
	if ended.IsZero() {
		ended = j.UpdatedAt
	}
	body, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{Type(j), ended.UTC(), bytes.TrimSpace(status)})
	if err != nil {
		return nil, fmt.Errorf("encode the event of job %s: %w", j.ID, err)
	}
	return body, nil
}
