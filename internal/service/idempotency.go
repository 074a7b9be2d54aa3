package service

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"claimcheck.example/internal/job"
)

// errBeingDeleted refuses a key whose job is being deleted, or has just been deleted.
var errBeingDeleted = &job.Error{
	Kind: job.Conflict, RetryAfter: time.Second,
	Message: "the job of this Idempotency-Key is being deleted; try again shortly, DELETE it again, or use a new key",
}

// compare returns the reason why the key's job is not the one of this submission.
func (u *submit) compare(other *job.Job) error {
	switch {
	case other.Deleted:
		return errBeingDeleted
	case !sameSubmission(other, u.job):
		return job.Errorf(job.Mismatch, sayKeyReused)
	}
	return nil
}

// resend sends the message of a job once more that is still pending: its first sender may
// have died before it could. A message that the queue has taken from this very process a few
// seconds ago is not sent again. The document is written anew before, so that a sender which
// is about to give up finds out that the job is no longer its own to fail. It returns the
// job with its effective status; beside an error, the job that the client knows.
func (s *Service) resend(ctx context.Context, docs job.Documents, j *job.Job, trace map[string]string) (*job.Job, error) {
	for j.Status == job.Pending && j.UploadUntil.IsZero() && !j.Deleted && !j.CancelDue(s.now()) && !s.sent.has(j, s.now()) {
		next := *j
		var err error
		s.charge(ctx, &next, s.charges.Write(1).Plus(s.charges.Message(1)))
		if next.Version, err = docs.Swap(ctx, next.Stamp(s.now())); err == nil {
			return &next, s.send(ctx, &next, trace)
		}
		if job.KindOf(err) != job.Conflict {
			return &next, err
		}
		if j, err = loadExisting(ctx, docs, j.ID); err != nil {
			return &next, err
		}
	}
	switch {
	case j.Deleted:
		return nil, errBeingDeleted
	case j.Unaccepted:
		return j, job.Errorf(job.Unavailable, sayNotAccepted)
	}
	effective := *s.effective(j)
	return &effective, nil
}

// loadExisting reads a document that existed a moment ago.
func loadExisting(ctx context.Context, docs job.Documents, id job.ID) (*job.Job, error) {
	j, err := docs.Load(ctx, id)
	if job.KindOf(err) == job.NotFound {
		return nil, errBeingDeleted
	}
	return j, err
}

// awaitsUpload reports whether the image of j can still be uploaded directly.
func (s *Service) awaitsUpload(j *job.Job) bool {
	return j.Status == job.Pending && !j.Deleted && s.now().Before(j.UploadUntil) && !j.CancelDue(s.now())
}

// takeOver makes the next write of the job replace a document that awaits its upload. The
// job keeps the place of its own image: later uploads to the offered URL are never read.
func (u *submit) takeOver(announced *job.Job) {
	j := u.job
	j.Version, j.CreatedAt, j.CancelAfter, j.Extra = announced.Version, announced.CreatedAt, announced.CancelAfter, announced.Extra
	u.former = announced.ObjectID()
}

// sameSubmission reports whether two submits under one key are equal. Fetched images are
// equal when their URLs are. The hash of a directly uploaded image is unknown; then type and
// size decide.
func sameSubmission(a, b *job.Job) bool {
	return sameImage(a, b) && a.Webhook == b.Webhook && bytes.Equal(canonical(a.Params), canonical(b.Params))
}

func sameImage(a, b *job.Job) bool {
	if a.Source != "" || b.Source != "" {
		return a.Source == b.Source
	}
	return a.Input.SizeBytes == b.Input.SizeBytes &&
		(a.Input.ContentType == b.Input.ContentType || a.Input.ContentType == "" || b.Input.ContentType == "") &&
		(a.Input.SHA256 == b.Input.SHA256 || a.Input.SHA256 == "" || b.Input.SHA256 == "")
}

// canonical returns params with sorted keys and no white space; nil stays nil.
func canonical(params json.RawMessage) []byte {
	if len(params) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(params))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return params
	}
	out, err := json.Marshal(v)
	if err != nil {
		return params
	}
	return out
}
