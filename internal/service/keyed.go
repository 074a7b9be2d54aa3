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
	"claimcheck.example/internal/service/authz"
)

// A submit under an idempotency key goes one step at a time instead of side by side:
// the input first, created only if absent, then the document, created only if absent.
// Whoever creates the document has the job, and a document never lies beside somebody
// else's input. This costs one read before the body and one write's latency.

const errKeyReused = "this Idempotency-Key was used before with another image or other parameters; use a new key for a new job"

// named gives j its identifier and returns the job that its key names already; nil for
// none. A try that was not accepted is none: j is to be written in its place.
func (s *Service) named(ctx context.Context, to authz.Writer, j *job.Job, key string) (*job.Job, error) {
	if key == "" {
		j.ID = job.NewID()
		return nil, nil
	}
	j.ID = job.KeyedID(j.Owner, key)
	earlier, err := to.Documents.Load(ctx, j.ID)
	switch {
	case job.KindOf(err) == job.NotFound:
		return nil, nil
	case err != nil:
		return nil, job.Wrap(job.KindOf(err), err, errNotAccepted)
	case earlier.Unaccepted && !earlier.Deleted:
		j.Version = earlier.Version
		return nil, nil
	}
	return earlier, nil
}

// repeat answers a submit whose key names a job already. The body is read, to be
// compared, but stored nowhere. A job that is still pending gets its message again: its
// first sender may have died before sending.
func (s *Service) repeat(ctx context.Context, to authz.Writer, earlier *job.Job, in Submission) (*job.Job, error) {
	if earlier.Deleted {
		return nil, errBeingDeleted
	}
	probe := &job.Job{ID: earlier.ID}
	sum := newDigest()
	src := io.TeeReader(&inflow{r: in.Image, max: s.limits.MaxBytes, inline: s.limits.MaxBytes}, sum)
	n, err := io.Copy(io.Discard, src)
	if err != nil {
		return nil, err
	}
	probe.Input.SizeBytes, probe.Input.SHA256 = n, sum.hex()
	if in.Rest != nil {
		if probe.Params, err = in.Rest(); err != nil {
			return nil, err
		}
	}
	if !sameSubmission(earlier, probe) {
		return nil, job.Errorf(job.Mismatch, errKeyReused)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle)
	defer cancel()
	return s.again(ctx, to.Documents, earlier, in.Trace)
}

// again sends the message of a job once more that is still pending: its first sender may
// have died before it could. The document is written anew before, so that a sender which
// is about to give up finds out that the job is no longer its own to fail.
func (s *Service) again(ctx context.Context, docs job.Documents, j *job.Job, trace map[string]string) (*job.Job, error) {
	for j.Status == job.Pending && j.UploadUntil.IsZero() && !j.Deleted {
		next := *j
		var err error
		if next.Version, err = docs.Swap(ctx, next.Stamp(s.now())); err == nil {
			if err = s.send(ctx, &next, trace); err == nil {
				return &next, nil
			}
		} else if job.KindOf(err) == job.Conflict {
			if j, err = docs.Load(ctx, j.ID); err == nil {
				continue
			}
		}
		return &next, job.Wrap(job.KindOf(err), err, errNotAccepted)
	}
	switch {
	case j.Deleted:
		return nil, errBeingDeleted
	case j.Unaccepted:
		return j, job.Errorf(job.Unavailable, errNotAccepted)
	}
	return s.effective(j), nil
}

// storeKeyed stores input and document of a keyed job. It returns another submit's
// job when that one was first, or an error; neither means that the job is ours to send.
func (u *upload) storeKeyed(ctx context.Context, docs job.Documents, in Submission) (*job.Job, error) {
	s, j := u.s, u.job
	if u.announced != nil {
		if !sameSubmission(u.announced, j) {
			return nil, job.Errorf(job.Mismatch, errKeyReused)
		}
		takeOver(j, u.announced)
	}
	_, err := u.staged.Commit(ctx, job.Condition{Absent: true})
	if job.KindOf(err) == job.Conflict {
		// Another submit under this key has stored its input: it is about to write the
		// document, or died before it could. With equal bytes we may go on in its place.
		same, serr := s.sameInput(ctx, u)
		switch {
		case serr != nil:
			err = serr
		case !same:
			return nil, job.Errorf(job.Mismatch, errKeyReused)
		default:
			err = nil
		}
	}
	if err != nil {
		return u.refuse(ctx, err)
	}
	for {
		var version string
		if j.Version == "" {
			version, err = docs.Create(ctx, j)
		} else { // it stands there, as not accepted or as awaiting its upload
			version, err = docs.Swap(ctx, j)
		}
		if err == nil {
			j.Version = version
			return nil, nil
		}
		if job.KindOf(err) != job.Conflict {
			return u.refuse(ctx, err)
		}
		earlier, lerr := docs.Load(ctx, j.ID)
		if lerr != nil {
			return j, job.Wrap(job.KindOf(lerr), lerr, errNotAccepted)
		}
		if earlier.Deleted {
			return nil, errBeingDeleted
		}
		if !sameSubmission(earlier, j) {
			return nil, job.Errorf(job.Mismatch, errKeyReused)
		}
		if s.awaitsUpload(earlier) {
			takeOver(j, earlier) // its image is there already: it is this one
			continue
		}
		return s.again(ctx, docs, earlier, in.Trace)
	}
}

// awaitsUpload reports whether the image of j can still be uploaded directly.
func (s *Service) awaitsUpload(j *job.Job) bool {
	return j.Status == job.Pending && !j.Deleted && s.now().Before(j.UploadUntil)
}

// takeOver has the next write of j replace a document that awaits its upload.
func takeOver(j, announced *job.Job) {
	j.Version, j.CreatedAt, j.Extra = announced.Version, announced.CreatedAt, announced.Extra
}

// sameInput reads the stored input and compares it with the staged one.
func (s *Service) sameInput(ctx context.Context, u *upload) (bool, error) {
	c, err := u.to.Objects.Open(ctx, job.Input, u.job.ID, job.OpenOptions{})
	if err != nil {
		return false, err
	}
	defer c.Body.Close()
	if c.TotalSize != u.staged.Size() {
		return false, nil
	}
	sum := newDigest()
	if _, err := io.Copy(sum, c.Body); err != nil {
		return false, job.Wrap(job.Unavailable, err, "")
	}
	return sum.hex() == u.job.Input.SHA256, nil
}

// sameSubmission reports whether two submits under one key ask for the same. The hash of
// what went into storage directly is unknown; then type and size have to do.
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
