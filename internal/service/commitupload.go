package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

// Commit accepts the uploaded image of an announced job: it inspects the image without
// reading all of it, and queues the job. It can be repeated. An image that must not be
// accepted fails the job and is removed; a repeated commit returns the same refusal.
// Conflict when nothing is uploaded yet, or too late.
func (s *Service) Commit(ctx context.Context, who job.Caller, id job.ID, trace map[string]string) (*job.Job, error) {
	if err := s.quota.Request(who.Owner(), job.Repeats, 0); err != nil {
		return nil, err
	}
	ctx, _ = job.WithMeter(ctx)
	return s.commit(ctx, who, id, trace)
}

func (s *Service) commit(ctx context.Context, who job.Caller, id job.ID, trace map[string]string) (*job.Job, error) {
	j, to, err := s.authz.Commit(ctx, who, id)
	if err != nil {
		return nil, err
	}
	docs := to.Documents
	switch {
	case j.Refused != "":
		return nil, s.refusedBefore(ctx, to, j)
	case s.effective(j).Status == job.StatusCanceled:
		return nil, job.Errorf(job.Conflict, "job %s is canceled: %s; submit the image again", id, s.effective(j).Message)
	case j.Status != job.Pending:
		return s.effective(j), nil // committed before, or over
	case j.UploadUntil.IsZero():
		j, err := s.commitAgain(ctx, docs, j, trace)
		if errors.Is(err, errBeingDeleted) {
			return s.commit(ctx, who, id, trace) // it finds no job, or the next one of its key
		}
		return j, err
	case s.now().After(j.UploadUntil):
		return nil, job.Errorf(job.Conflict, "this upload has expired; submit the image again")
	}
	media, err := s.inspectStored(ctx, to.Objects, j)
	if err == nil {
		err = s.checkUploaded(ctx, j, media.Tag)
	}
	if err == nil {
		err = s.rules.CheckParams(media, j.Params)
	}
	switch job.KindOf(err) {
	case job.TooLarge, job.Unsupported, job.Invalid:
		err = s.reject(ctx, to, j, err)
		if job.KindOf(err) == job.Conflict { // another commit was faster, or a submit that brought the image
			return s.commit(ctx, who, id, trace)
		}
		return nil, err
	case job.Conflict: // a submit under the key may have brought another image meanwhile
		now, _, lost := s.authz.Commit(ctx, who, id)
		if lost != nil {
			return nil, lost
		}
		if now.Version != j.Version {
			return s.commit(ctx, who, id, trace)
		}
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle)
	defer cancel()
	j.Input, j.UploadUntil = media, time.Time{}
	s.charge(ctx, j, s.charges.Upload(1).Plus(s.charges.Write(1)).Plus(s.charges.Message(1))) // the upload is the client's request
	if j.Version, err = docs.Swap(ctx, j.Stamp(s.now())); err != nil {
		if job.KindOf(err) == job.Conflict { // another commit was faster: it may not have sent yet
			return s.commit(ctx, who, id, trace)
		}
		return nil, err
	}
	if err := s.send(ctx, j, trace); err != nil {
		return nil, job.Wrap(job.KindOf(err), err, "the queue did not accept the job; commit it again")
	}
	return j, nil
}

// commitAgain repeats the commit of a job that is already queued.
func (s *Service) commitAgain(ctx context.Context, docs job.Documents, j *job.Job, trace map[string]string) (*job.Job, error) {
	j, err := s.resend(ctx, docs, j, trace)
	if err != nil && !errors.Is(err, errBeingDeleted) {
		err = job.Wrap(job.KindOf(err), err, sayNotAccepted)
	}
	return j, err
}

// inspectStored inspects an uploaded image by one ranged read, or a few.
func (s *Service) inspectStored(ctx context.Context, objects job.Objects, j *job.Job) (job.Media, error) {
	r := &rangedReader{ctx: ctx, objects: objects, id: j.ObjectID(), left: maxRangedReads}
	head := make([]byte, job.HeadSize)
	n, _ := r.ReadAt(head, 0)
	switch {
	case job.KindOf(r.failed) == job.NotFound:
		return job.Media{}, job.Wrap(job.Conflict, r.failed, "this job has no uploaded image yet; PUT the image to its upload url first")
	case r.failed != nil:
		return job.Media{}, r.failed
	case r.total > s.limits.MaxBytes:
		return job.Media{}, s.tooLarge()
	case r.total != j.Input.SizeBytes:
		return job.Media{}, job.Errorf(job.Invalid, "%d bytes were uploaded of an image that was announced with %d; submit it again", r.total, j.Input.SizeBytes)
	}
	head = head[:n]
	contentType, err := s.judge(head)
	if err != nil {
		return job.Media{}, err
	}
	if contentType != j.Input.ContentType {
		return job.Media{}, job.Errorf(job.Unsupported, "the image is %s, not %s as announced", contentType, j.Input.ContentType)
	}
	media, err := s.inspector.InspectAt(r, r.total, s.limits.MaxPixels)
	if r.failed != nil {
		return job.Media{}, r.failed
	}
	if err != nil && !r.spent {
		return job.Media{}, err
	}
	if err != nil { // the worker checks what is too far into the file
		media = job.Media{}
	}
	media.ContentType, media.SizeBytes, media.SHA256, media.Tag = j.Input.ContentType, r.total, j.Input.SHA256, r.tag
	return media, nil
}

// checkUploaded compares the announced digest with the one that storage computed for the
// object with this tag. Where storage has none, the worker compares it when it reads the
// image.
func (s *Service) checkUploaded(ctx context.Context, j *job.Job, tag string) error {
	if j.Input.SHA256 == "" {
		return nil
	}
	sum, of, err := s.presigner.UploadedDigest(ctx, j.ObjectID())
	switch {
	case job.KindOf(err) == job.NotFound, err == nil && of != "" && of != tag:
		return job.Wrap(job.Conflict, err, "the uploaded image changed during its inspection; commit it again")
	case err != nil:
		return err
	case sum != "" && sum != j.Input.SHA256:
		return job.Errorf(job.Invalid, "the uploaded image has the SHA-256 %s, not %s as announced; submit it again", sum, j.Input.SHA256)
	}
	return nil
}

// reject fails a job whose uploaded image must not be accepted.
func (s *Service) reject(ctx context.Context, to authz.Writer, j *job.Job, why error) error {
	j.Finish(job.Failed, s.now())
	j.Message, j.UploadUntil, j.Refused = job.MessageOf(why), time.Time{}, job.KindOf(why).String()
	if err := s.announceEnd(ctx, j); err != nil {
		return err
	}
	if _, err := to.Documents.Swap(ctx, j.Stamp(s.now())); err != nil {
		return err
	}
	return s.refusedBefore(ctx, to, j)
}

// refusedBefore returns the refusal in the document. It removes the image, which an
// earlier commit may have left.
func (s *Service) refusedBefore(ctx context.Context, to authz.Writer, j *job.Job) error {
	if err := to.Objects.Remove(ctx, job.Input, j.ObjectID(), ""); err != nil {
		return err
	}
	return job.Errorf(job.ParseKind(j.Refused), "%s", j.Message)
}

const (
	// maxRangedReads bounds the requests of one look at an uploaded image.
	maxRangedReads = 8
	// rangedReadBytes is the size of each.
	rangedReadBytes = 128 << 10
)

// errTooFar ends an inspection that would read too much of a file.
var errTooFar = errors.New("too far into the file")

// rangedReader reads an object at a few places.
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
	if r.tag != "" && c.Tag != r.tag {
		r.failed = job.Errorf(job.Conflict, "the uploaded image changed during its inspection; commit it again")
		return 0, r.failed
	}
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
