package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

// Announcement is an image that a client wants to upload by itself.
type Announcement struct {
	ContentType string
	SizeBytes   int64
	Params      json.RawMessage
	Key         string // idempotency key; empty for none
}

// Announce makes a job whose image the client will put into storage by itself, and
// [Service.Commit] afterwards. The job stays pending with its upload until then, and is
// told as failed when the upload expires first.
func (s *Service) Announce(ctx context.Context, who job.Caller, in Announcement) (*job.Job, error) {
	to, err := s.authz.Submit(ctx, who)
	if err != nil {
		return nil, err
	}
	switch {
	case in.SizeBytes <= 0:
		return nil, job.Errorf(job.Invalid, "size_bytes is missing; say how many bytes the image has")
	case in.SizeBytes > s.limits.MaxBytes:
		return nil, s.tooLarge()
	case !s.rules.Accepts(in.ContentType):
		return nil, job.Errorf(job.Unsupported, "this service does not process %.80q; say as content_type which kind of image it is", in.ContentType)
	}
	j := &job.Job{
		Status: job.Pending, Owner: who.Owner(), Params: in.Params,
		Input: job.Media{ContentType: in.ContentType, SizeBytes: in.SizeBytes},
	}
	if err := s.rules.CheckParams(j.Input, j.Params); err != nil {
		return nil, err
	}
	earlier, err := s.named(ctx, to, j, in.Key)
	switch {
	case err != nil:
		return j, err
	case earlier != nil:
		return s.announced(ctx, earlier, j)
	}
	if err := s.quota.Submit(j.Owner); err != nil {
		return nil, err
	}
	if err := s.quota.Bytes(j.Owner, in.SizeBytes); err != nil {
		return nil, err
	}
	return s.announce(ctx, to, j)
}

// announce stores the document of a job that awaits its upload. When a backend fails,
// the returned job is not nil beside the error.
func (s *Service) announce(ctx context.Context, to authz.Writer, j *job.Job) (*job.Job, error) {
	docs := to.Documents
	now := s.now()
	j.Stamp(now)
	j.CreatedAt, j.UploadUntil = j.UpdatedAt, now.Add(s.limits.UploadTTL).UTC().Truncate(time.Second)
	var err error
	if j.Version == "" {
		j.Version, err = docs.Create(ctx, j)
	} else { // it stands there as failed: a try that was not accepted
		j.Version, err = docs.Swap(ctx, j)
	}
	if job.KindOf(err) == job.Conflict { // another one under the same key was faster
		earlier, lerr := docs.Load(ctx, j.ID)
		if lerr == nil {
			return s.announced(ctx, earlier, j)
		}
		err = lerr
	}
	if err == nil {
		j.Upload, err = s.upload(ctx, j)
	}
	if err != nil {
		return j, job.Wrap(job.KindOf(err), err, errNotAccepted)
	}
	return j, nil
}

// announced answers an announcement of j whose key names a job already.
func (s *Service) announced(ctx context.Context, earlier, j *job.Job) (*job.Job, error) {
	switch {
	case earlier.Deleted:
		return nil, errBeingDeleted
	case !sameSubmission(earlier, j):
		return nil, job.Errorf(job.Mismatch, errKeyReused)
	case earlier.Unaccepted:
		return earlier, job.Errorf(job.Unavailable, errNotAccepted)
	}
	j = s.effective(earlier)
	var err error
	if j.Upload, err = s.upload(ctx, j); err != nil {
		return j, job.Wrap(job.KindOf(err), err, errNotAccepted)
	}
	return j, nil
}

// upload returns the request with which the job's image can still be put into storage,
// or nil when the job awaits none (any more).
func (s *Service) upload(ctx context.Context, j *job.Job) (*job.Upload, error) {
	left := j.UploadUntil.Sub(s.now())
	if j.UploadUntil.IsZero() || left <= 0 || j.Status != job.Pending {
		return nil, nil
	}
	u, err := s.presigner.PresignInput(ctx, j.ID, j.Input.ContentType, j.Input.SizeBytes, left)
	if err != nil {
		return nil, err
	}
	if u.ExpiresAt.After(j.UploadUntil) {
		u.ExpiresAt = j.UploadUntil
	}
	u.ExpiresAt = u.ExpiresAt.UTC().Truncate(time.Second)
	return u, nil
}

// Commit takes the image that was uploaded for an announced job: it is looked at, not
// read as a whole, and the job is queued. It may be repeated. An image that must not be
// accepted fails the job and is removed. Conflict when nothing is uploaded yet, or too
// late.
func (s *Service) Commit(ctx context.Context, who job.Caller, id job.ID, trace map[string]string) (*job.Job, error) {
	j, to, err := s.authz.Commit(ctx, who, id)
	if err != nil {
		return nil, err
	}
	docs := to.Documents
	switch {
	case j.Status != job.Pending:
		return s.effective(j), nil // committed before, or over
	case j.UploadUntil.IsZero():
		return s.again(ctx, docs, j, trace)
	case s.now().After(j.UploadUntil):
		return nil, job.Errorf(job.Conflict, "the time for this upload is over; submit the image again")
	}
	media, err := s.inspectStored(ctx, to.Objects, j)
	if err == nil {
		err = s.rules.CheckParams(media, j.Params)
	}
	switch job.KindOf(err) {
	case job.TooLarge, job.Unsupported, job.Invalid:
		return nil, s.reject(ctx, to, j, err)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle)
	defer cancel()
	j.Input, j.UploadUntil = media, time.Time{}
	if j.Version, err = docs.Swap(ctx, j.Stamp(s.now())); err != nil {
		if job.KindOf(err) == job.Conflict { // another commit was faster: it may not have sent yet
			return s.Commit(ctx, who, id, trace)
		}
		return nil, err
	}
	if err := s.send(ctx, j, trace); err != nil {
		return nil, job.Wrap(job.KindOf(err), err, "the job could not be queued; commit it again")
	}
	return j, nil
}

func (s *Service) send(ctx context.Context, j *job.Job, trace map[string]string) error {
	return s.queue.Send(ctx, job.Message{JobID: j.ID, Owner: j.Owner, Trace: trace})
}

// inspectStored looks at an uploaded image through a ranged read, or a few.
func (s *Service) inspectStored(ctx context.Context, objects job.Objects, j *job.Job) (job.Media, error) {
	r := &rangedReader{ctx: ctx, objects: objects, id: j.ID, left: maxRangedReads}
	head := make([]byte, job.HeadSize)
	n, _ := r.ReadAt(head, 0)
	switch {
	case job.KindOf(r.failed) == job.NotFound:
		return job.Media{}, job.Wrap(job.Conflict, r.failed, "nothing has been uploaded for this job yet; PUT the image to its upload url first")
	case r.failed != nil:
		return job.Media{}, r.failed
	case r.total > s.limits.MaxBytes:
		return job.Media{}, s.tooLarge()
	case r.total != j.Input.SizeBytes:
		return job.Media{}, job.Errorf(job.Invalid, "%d bytes were uploaded of an image that was announced with %d; submit it again", r.total, j.Input.SizeBytes)
	}
	head = head[:n]
	found := job.Job{}
	if err := s.judge(&found, head); err != nil {
		return job.Media{}, err
	}
	if found.Input.ContentType != j.Input.ContentType {
		return job.Media{}, job.Errorf(job.Unsupported, "the image is %s, not %s as announced", found.Input.ContentType, j.Input.ContentType)
	}
	media, err := s.inspector.InspectAt(r, r.total, s.limits.MaxPixels)
	if r.failed != nil {
		return job.Media{}, r.failed
	}
	if err != nil && !r.spent {
		return job.Media{}, err
	}
	if err != nil { // what lies too far into the file to be seen is for the worker to judge
		media = job.Media{}
	}
	media.ContentType, media.SizeBytes, media.Tag = j.Input.ContentType, r.total, r.tag
	return media, nil
}

// reject fails a job whose uploaded image must not be accepted.
func (s *Service) reject(ctx context.Context, to authz.Writer, j *job.Job, why error) error {
	j.Status, j.Message, j.UploadUntil, j.EndedAt = job.Failed, job.MessageOf(why), time.Time{}, s.now().UTC()
	if _, err := to.Documents.Swap(ctx, j.Stamp(s.now())); err != nil && job.KindOf(err) != job.Conflict {
		return err
	}
	if err := to.Objects.Remove(ctx, job.Input, j.ID, ""); err != nil {
		return err
	}
	return why
}

func (s *Service) tooLarge() error {
	return job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that this service takes", s.limits.MaxBytes)
}

const (
	// maxRangedReads bounds the requests of one look at an uploaded image.
	maxRangedReads = 8
	// rangedReadBytes is the size of each.
	rangedReadBytes = 128 << 10
)

// errTooFar ends an inspection that would read more of a file than a look is worth.
var errTooFar = errors.New("too far into the file")

// rangedReader reads an object here and there, a few times.
type rangedReader struct {
	ctx     context.Context
	objects job.Objects
	id      job.ID
	left    int
	at      int64 // of buf
	buf     []byte
	total   int64  // size of the whole object; zero before the first read
	tag     string // of the object
	spent   bool   // more was asked for than left
	failed  error  // storage's failure
}

func (r *rangedReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.at && off+int64(len(p)) <= r.at+int64(len(r.buf)) {
		return copy(p, r.buf[off-r.at:]), nil
	}
	if r.left--; r.left < 0 {
		r.spent = true
		return 0, errTooFar
	}
	want := max(rangedReadBytes, len(p))
	c, err := r.objects.Open(r.ctx, job.Input, r.id, job.OpenOptions{Range: fmt.Sprintf("bytes=%d-%d", off, off+int64(want)-1)})
	if job.KindOf(err) == job.Invalid {
		return 0, io.EOF
	}
	if err != nil {
		r.failed = err
		return 0, err
	}
	defer c.Body.Close()
	r.total, r.tag = c.TotalSize, c.Tag
	r.at, r.buf = off, make([]byte, min(int64(want), c.Size))
	if _, err := io.ReadFull(c.Body, r.buf); err != nil {
		r.failed = job.Wrap(job.Unavailable, err, "storage broke off while the image was read")
		return 0, r.failed
	}
	n := copy(p, r.buf)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
