package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"

	"claimcheck.example/internal/job"
)

// errBeingDeleted refuses a key whose job's deletion did not come to its end.
var errBeingDeleted = job.Errorf(job.Conflict, "the job of this Idempotency-Key is being deleted; DELETE it again, or use a new key")

// compare returns why the job that the key names is not the one of this submission.
func (u *submit) compare(other *job.Job) error {
	switch {
	case other.Deleted:
		return errBeingDeleted
	case !sameSubmission(other, u.job):
		return job.Errorf(job.Mismatch, sayKeyReused)
	}
	return nil
}

// storeImage makes the image visible, once. Under a key it does so only if there is none:
// another submit that has stored its image is about to write the document, or died before
// it could. With equal bytes this one may go on in its place.
func (u *submit) storeImage(ctx context.Context) error {
	if u.staged == nil || u.stored {
		return nil
	}
	_, err := u.staged.Commit(ctx, job.Condition{Absent: u.in.Key != ""})
	if u.in.Key != "" && job.KindOf(err) == job.Conflict {
		err = u.compareStored(ctx)
	}
	u.stored = err == nil
	return err
}

// compareStored reads the stored image and compares it with the staged one.
func (u *submit) compareStored(ctx context.Context) error {
	c, err := u.to.Objects.Open(ctx, job.Input, u.job.ID, job.OpenOptions{})
	if err != nil {
		return err
	}
	defer c.Body.Close()
	sum := newDigest()
	if c.TotalSize == u.staged.Size() {
		if _, err := io.Copy(sum, c.Body); err != nil {
			return job.Wrap(job.Unavailable, err, "")
		}
	}
	if sum.hex() != u.job.Input.SHA256 {
		return job.Errorf(job.Mismatch, sayKeyReused)
	}
	return nil
}

// resend sends the message of a job once more that is still pending: its first sender may
// have died before it could. The document is written anew before, so that a sender which
// is about to give up finds out that the job is no longer its own to fail. It returns the
// job with its effective status; beside an error, the job that the client knows.
func (s *Service) resend(ctx context.Context, docs job.Documents, j *job.Job, trace map[string]string) (*job.Job, error) {
	for j.Status == job.Pending && j.UploadUntil.IsZero() && !j.Deleted {
		next := *j
		var err error
		if next.Version, err = docs.Swap(ctx, next.Stamp(s.now())); err == nil {
			return &next, s.send(ctx, &next, trace)
		}
		if job.KindOf(err) != job.Conflict {
			return &next, err
		}
		if j, err = docs.Load(ctx, j.ID); err != nil {
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

// awaitsUpload reports whether the image of j can still be uploaded directly.
func (s *Service) awaitsUpload(j *job.Job) bool {
	return j.Status == job.Pending && !j.Deleted && s.now().Before(j.UploadUntil)
}

// takeOver makes the next write of j replace a document that awaits its upload.
func takeOver(j, announced *job.Job) {
	j.Version, j.CreatedAt, j.Extra = announced.Version, announced.CreatedAt, announced.Extra
}

// sameSubmission reports whether two submits under one key ask for the same. The hash of
// an image that was uploaded directly is unknown; then type and size decide.
func sameSubmission(a, b *job.Job) bool {
	return a.Input.SizeBytes == b.Input.SizeBytes &&
		(a.Input.ContentType == b.Input.ContentType || a.Input.ContentType == "" || b.Input.ContentType == "") &&
		(a.Input.SHA256 == b.Input.SHA256 || a.Input.SHA256 == "" || b.Input.SHA256 == "") &&
		bytes.Equal(canonical(a.Params), canonical(b.Params))
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

// digest is a running SHA-256.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) hex() string { return hex.EncodeToString(d.Sum(nil)) }
