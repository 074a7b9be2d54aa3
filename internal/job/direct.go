package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Upload is a request with which a client puts an image into storage by itself.
type Upload struct {
	Method string
	// URL carries a signature: whoever knows it may upload. It is never logged.
	URL string
	// Headers must be sent as they are; they are part of the signature.
	Headers map[string]string
	// ExpiresAt is when the URL stops to be good, which may be before the time for the
	// upload is over; the job's status has a new one then.
	ExpiresAt time.Time
}

// Presigner makes such requests, without asking anybody.
type Presigner interface {
	// PresignInput returns the request that puts the input of a job: exactly size bytes
	// of exactly this type, once, until ttl is over at the latest.
	PresignInput(ctx context.Context, id ID, contentType string, size int64, ttl time.Duration) (*Upload, error)
}

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
func (s *Service) Announce(ctx context.Context, who Caller, in Announcement) (*Job, error) {
	ok, err := s.gate.ask(ctx, who, ActionSubmit, who.Owner(), nil)
	if err != nil {
		return nil, err
	}
	switch {
	case in.SizeBytes <= 0:
		return nil, Errorf(Invalid, "size_bytes is missing; say how many bytes the image has")
	case in.SizeBytes > s.limits.MaxBytes:
		return nil, s.tooLarge()
	case !s.rules.Accepts(in.ContentType):
		return nil, Errorf(Unsupported, "this service does not process %.80q; say as content_type which kind of image it is", in.ContentType)
	}
	j := &Job{
		Status: Pending, Owner: who.Owner(), Params: in.Params,
		Input: Media{ContentType: in.ContentType, SizeBytes: in.SizeBytes},
	}
	if err := s.rules.CheckParams(j.Input, j.Params); err != nil {
		return nil, err
	}
	earlier, err := s.named(ctx, ok, j, in.Key)
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
	return s.announce(ctx, ok, j)
}

// announce stores the document of a job that awaits its upload. When a backend fails,
// the returned job is not nil beside the error.
func (s *Service) announce(ctx context.Context, ok grant, j *Job) (*Job, error) {
	docs := s.gate.documents(ok)
	now := s.now()
	stamp(j, now)
	j.CreatedAt, j.UploadUntil = j.UpdatedAt, now.Add(s.limits.UploadTTL).UTC().Truncate(time.Second)
	var err error
	if j.Version == "" {
		j.Version, err = docs.Create(ctx, j)
	} else { // it stands there as failed: a try that was not accepted
		j.Version, err = docs.Swap(ctx, j)
	}
	if KindOf(err) == Conflict { // another one under the same key was faster
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
		return j, Wrap(KindOf(err), err, errNotAccepted)
	}
	return j, nil
}

// announced answers an announcement of j whose key names a job already.
func (s *Service) announced(ctx context.Context, earlier, j *Job) (*Job, error) {
	switch {
	case earlier.Deleted:
		return nil, errBeingDeleted
	case !sameSubmission(earlier, j):
		return nil, Errorf(Mismatch, errKeyReused)
	case earlier.Unaccepted:
		return earlier, Errorf(Unavailable, errNotAccepted)
	}
	j = s.told(earlier)
	var err error
	if j.Upload, err = s.upload(ctx, j); err != nil {
		return j, Wrap(KindOf(err), err, errNotAccepted)
	}
	return j, nil
}

// upload returns the request with which the job's image can still be put into storage,
// or nil when the job awaits none (any more).
func (s *Service) upload(ctx context.Context, j *Job) (*Upload, error) {
	left := j.UploadUntil.Sub(s.now())
	if j.UploadUntil.IsZero() || left <= 0 || j.Status != Pending {
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
func (s *Service) Commit(ctx context.Context, who Caller, id ID, trace map[string]string) (*Job, error) {
	j, ok, err := s.gate.find(ctx, who, ActionSubmit, id)
	if err != nil {
		return nil, err
	}
	docs := s.gate.documents(ok)
	switch {
	case j.Status != Pending:
		return s.told(j), nil // committed before, or over
	case j.UploadUntil.IsZero():
		return s.again(ctx, docs, j, trace)
	case s.now().After(j.UploadUntil):
		return nil, Errorf(Conflict, "the time for this upload is over; submit the image again")
	}
	media, err := s.inspectStored(ctx, s.gate.objects(ok), j)
	if err == nil {
		err = s.rules.CheckParams(media, j.Params)
	}
	switch KindOf(err) {
	case TooLarge, Unsupported, Invalid:
		return nil, s.reject(ctx, ok, j, err)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle)
	defer cancel()
	j.Input, j.UploadUntil = media, time.Time{}
	if j.Version, err = docs.Swap(ctx, stamp(j, s.now())); err != nil {
		if KindOf(err) == Conflict { // another commit was faster: it may not have sent yet
			return s.Commit(ctx, who, id, trace)
		}
		return nil, err
	}
	if err := s.send(ctx, j, trace); err != nil {
		return nil, Wrap(KindOf(err), err, "the job could not be queued; commit it again")
	}
	return j, nil
}

func (s *Service) send(ctx context.Context, j *Job, trace map[string]string) error {
	return s.queue.Send(ctx, Message{JobID: j.ID, Owner: j.Owner, Trace: trace})
}

// inspectStored looks at an uploaded image through a ranged read, or a few.
func (s *Service) inspectStored(ctx context.Context, objects Objects, j *Job) (Media, error) {
	r := &rangedReader{ctx: ctx, objects: objects, id: j.ID, left: maxRangedReads}
	head := make([]byte, HeadSize)
	n, _ := r.ReadAt(head, 0)
	switch {
	case KindOf(r.failed) == NotFound:
		return Media{}, Wrap(Conflict, r.failed, "nothing has been uploaded for this job yet; PUT the image to its upload url first")
	case r.failed != nil:
		return Media{}, r.failed
	case r.total > s.limits.MaxBytes:
		return Media{}, s.tooLarge()
	case r.total != j.Input.SizeBytes:
		return Media{}, Errorf(Invalid, "%d bytes were uploaded of an image that was announced with %d; submit it again", r.total, j.Input.SizeBytes)
	}
	head = head[:n]
	found := Job{}
	if err := s.judge(&found, head); err != nil {
		return Media{}, err
	}
	if found.Input.ContentType != j.Input.ContentType {
		return Media{}, Errorf(Unsupported, "the image is %s, not %s as announced", found.Input.ContentType, j.Input.ContentType)
	}
	media, err := s.inspector.InspectAt(r, r.total, s.limits.MaxPixels)
	if r.failed != nil {
		return Media{}, r.failed
	}
	if err != nil && !r.spent {
		return Media{}, err
	}
	if err != nil { // what lies too far into the file to be seen is for the worker to judge
		media = Media{}
	}
	media.ContentType, media.SizeBytes, media.Tag = j.Input.ContentType, r.total, r.tag
	return media, nil
}

// reject fails a job whose uploaded image must not be accepted.
func (s *Service) reject(ctx context.Context, ok grant, j *Job, why error) error {
	j.Status, j.Message, j.UploadUntil, j.EndedAt = Failed, MessageOf(why), time.Time{}, s.now().UTC()
	if _, err := s.gate.documents(ok).Swap(ctx, stamp(j, s.now())); err != nil && KindOf(err) != Conflict {
		return err
	}
	if err := s.gate.objects(ok).Remove(ctx, Input, j.ID, ""); err != nil {
		return err
	}
	return why
}

func (s *Service) tooLarge() error {
	return Errorf(TooLarge, "the image has more than %d bytes, the most that this service takes", s.limits.MaxBytes)
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
	objects Objects
	id      ID
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
	c, err := r.objects.Open(r.ctx, Input, r.id, OpenOptions{Range: fmt.Sprintf("bytes=%d-%d", off, off+int64(want)-1)})
	if KindOf(err) == Invalid {
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
		r.failed = Wrap(Unavailable, err, "storage broke off while the image was read")
		return 0, r.failed
	}
	n := copy(p, r.buf)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
