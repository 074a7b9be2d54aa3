package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

// Submission is one image on its way in.
type Submission struct {
	// Size is the image's length in bytes where it was announced; zero when unknown.
	Size int64
	// Body is the length of what the image comes in, such as a form, in bytes where it was
	// announced; zero when unknown.
	Body int64
	// Held is called when the image begins to take up much memory; may be nil.
	Held func()
	// Image is the image, read to its end or to the first error, which comes back as
	// the client's own when it has a Kind, else as Invalid.
	Image io.Reader
	// Rest is called once the image has been read to its end and before anything is
	// stored; it returns the params that came after (or before) it. Nil: no params.
	Rest func() (params json.RawMessage, err error)
	// Key is the idempotency key; empty for none.
	Key string
	// Trace is the W3C trace context that travels with the message; may be nil.
	Trace map[string]string
}

// errNotAccepted is what a client is told whose job a backend's failure refused.
const errNotAccepted = "the job was not accepted: a backend of this service failed; submit it again later"

// Submit accepts an image as a job of the caller.
//
// It writes nothing until the body has been read to its end and is known to be good.
// Then the last bytes of the input and the document are stored side by side, then the
// message is sent; when it returns without error all three are durable. From the last
// byte on it runs to its end even when ctx is cancelled, within Limits.Settle.
//
// The client's own mistakes (Invalid, TooLarge, Unsupported, Mismatch, Timeout) and
// refusals (Denied, Exhausted) leave nothing behind. An image that is too large for a
// submit, but not for a job, comes back as an [*OfferError]: a pending job and where to
// upload the image to. When a backend fails, the
// returned job is not nil beside the error: its identifier names a document that says
// failed, wherever the store could still take it.
func (s *Service) Submit(ctx context.Context, who job.Caller, in Submission) (*job.Job, error) {
	to, err := s.authz.Submit(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := s.admit(in); err != nil {
		return nil, err
	}
	defer s.release()
	j := &job.Job{Status: job.Pending, Owner: who.Owner(), CreatedAt: s.now().UTC().Truncate(time.Millisecond)}
	earlier, err := s.named(ctx, to, j, in.Key)
	switch {
	case err != nil:
		return j, err
	case earlier == nil: // only what is new is booked
		if err := s.quota.Submit(j.Owner); err != nil {
			return nil, err
		}
	case !s.awaitsUpload(earlier):
		return s.repeat(ctx, to, earlier, in)
	}
	u := &upload{s: s, to: to, job: j, announced: earlier, view: s.witness.Watch()}
	defer u.close()
	if err := u.receive(ctx, in); err != nil {
		switch {
		case errors.Is(err, errOverInline):
			return u.offer(ctx, in)
		case !s.ours(err):
			return nil, err
		}
		return u.refuse(ctx, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle*2/3)
	defer cancel()
	accepted, err := u.settle(ctx, in)
	if err == nil && u.view != nil {
		u.view.Accepted(accepted)
	}
	return accepted, err
}

// admit takes one of the places for uploads, release gives it back. Exhausted when all
// are taken or there is no room for the body: then nothing is read, asked for or booked.
// What will be offered a direct upload takes up no room.
func (s *Service) admit(in Submission) error {
	if in.Size > s.limits.InlineBytes || !s.crowded(in.Body) {
		select {
		case s.uploads <- struct{}{}:
			return nil
		default:
		}
	}
	return &job.Error{Kind: job.Exhausted, Message: "too many uploads at once; try again shortly", RetryAfter: time.Second + rand.N(3*time.Second)}
}

func (s *Service) release() { <-s.uploads }

// ours tells a backend's failure from the client's mistake or departure.
func (s *Service) ours(err error) bool {
	switch job.KindOf(err) {
	case job.Unknown, job.Unavailable, job.Misconfigured, job.Corrupt, job.Conflict, job.NotFound:
		return true
	}
	return false
}

// upload is one submit between its first byte and its answer.
type upload struct {
	s         *Service
	to        authz.Writer
	job       *job.Job
	announced *job.Job // what awaits this image under the same key; nil for nothing
	view      job.Preview
	staged    job.Staged
	src       *inflow
}

func (u *upload) close() {
	if u.staged != nil {
		u.staged.Discard()
	}
	if u.view != nil {
		u.view.Close()
	}
}

// receive reads the submission to its end and judges it. Nothing is visible after it.
func (u *upload) receive(ctx context.Context, in Submission) error {
	s, j := u.s, u.job
	// The head is read in any case: it says what is to be offered.
	src := &inflow{r: in.Image, max: s.limits.MaxBytes, inline: max(s.limits.InlineBytes, job.HeadSize)}
	u.src = src
	head := make([]byte, job.HeadSize)
	n, err := io.ReadFull(src, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	if err := s.judge(j, head); err != nil {
		return err
	}
	if in.Size > s.limits.InlineBytes {
		return errOverInline
	}
	inspection := s.inspector.Inspect(s.limits.MaxPixels)
	var sink io.Writer = inspection
	if u.view != nil {
		sink = io.MultiWriter(inspection, u.view)
	}
	body := holder{io.TeeReader(io.MultiReader(bytes.NewReader(head), src), sink), in.Held}
	u.staged, err = u.to.Objects.Stage(ctx, job.Input, j.ID, j.Input.ContentType, body)
	if err != nil {
		return err
	}
	media, err := inspection.Finish()
	if err != nil {
		return err
	}
	media.ContentType = j.Input.ContentType
	media.SizeBytes = u.staged.Size()
	media.SHA256 = u.staged.SHA256()
	j.Input = media
	if in.Rest != nil {
		if j.Params, err = in.Rest(); err != nil {
			return err
		}
	}
	if err := s.rules.CheckParams(j.Input, j.Params); err != nil {
		return err
	}
	return u.book()
}

// holder is an image as a Holder.
type holder struct {
	io.Reader
	held func()
}

func (h holder) Hold() {
	if h.held != nil {
		h.held()
	}
}

// book counts the image for its owner, unless it was when it was announced.
func (u *upload) book() error {
	if u.announced != nil {
		return nil
	}
	return u.s.quota.Bytes(u.job.Owner, u.job.Input.SizeBytes)
}

// judge says from its first bytes whether the image is one to be taken.
func (s *Service) judge(j *job.Job, head []byte) error {
	if len(head) == 0 {
		return job.Errorf(job.Invalid, "the image is empty; send the bytes of an image file")
	}
	j.Input.ContentType = s.inspector.Detect(head)
	if j.Input.ContentType == "" || !s.rules.Accepts(j.Input.ContentType) {
		return job.Errorf(job.Unsupported, "%s", s.inspector.Refusal(head, s.rules.Accepts))
	}
	return nil
}

// settle makes the job real: input and document side by side, then the message.
func (u *upload) settle(ctx context.Context, in Submission) (*job.Job, error) {
	s, j := u.s, u.job
	docs := u.to.Documents
	j.Stamp(s.now())
	j.CreatedAt = j.UpdatedAt
	if in.Key != "" {
		if other, err := u.storeKeyed(ctx, docs, in); other != nil || err != nil {
			return other, err
		}
	} else {
		stored := make(chan error, 1)
		go func() {
			_, err := u.staged.Commit(ctx, job.Condition{})
			stored <- err
		}()
		version, err := docs.Create(ctx, j)
		if err := errors.Join(err, <-stored); err != nil {
			return u.refuse(ctx, err)
		}
		j.Version = version
	}
	if err := s.send(ctx, j, in.Trace); err != nil {
		return u.refuse(ctx, err)
	}
	return j, nil
}

// refuse records that a backend's failure kept the job from being accepted. When it
// turns out that a worker has the job already, the job is accepted after all.
func (u *upload) refuse(ctx context.Context, cause error) (*job.Job, error) {
	s := u.s
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Settle/3)
	defer cancel()
	refusal := job.Wrap(job.KindOf(cause), cause, errNotAccepted)
	j, err := s.failUnaccepted(ctx, u.to.Documents, u.job)
	if err != nil {
		refusal.Err = fmt.Errorf("%w; and the document could not be marked as failed: %w", cause, err)
		return u.job, refusal
	}
	if !j.Unaccepted && !j.Deleted && j.Status != job.Pending && sameSubmission(j, u.job) {
		return j, nil
	}
	return j, refusal
}

// failUnaccepted brings the document of a job that could not be accepted to failed,
// whether or not an earlier write of it arrived, and returns what is stored in the end: a
// document that somebody else wrote, when a worker was faster or another submit under the
// same key, which may have been told that it is accepted.
func (s *Service) failUnaccepted(ctx context.Context, docs job.Documents, j *job.Job) (*job.Job, error) {
	for {
		failed := *j
		failed.Status, failed.Message, failed.UploadUntil, failed.Unaccepted = job.Failed, errNotAccepted, time.Time{}, true
		failed.Stamp(s.now())
		var err error
		if failed.Version == "" {
			failed.CreatedAt = failed.UpdatedAt
			failed.Version, err = docs.Create(ctx, &failed)
		} else {
			failed.Version, err = docs.Swap(ctx, &failed)
		}
		if err == nil {
			return &failed, nil
		}
		if job.KindOf(err) != job.Conflict {
			return nil, err
		}
		stored, err := docs.Load(ctx, j.ID)
		if err != nil || stored.Revision != j.Revision {
			return stored, err
		}
		j = stored
	}
}

// errOverInline is an image that is too large for a submit itself.
var errOverInline = errors.New("image is over the inline limit")

// OfferError says that an image is too large for a submit but not for a job, which
// awaits its upload. Its kind is TooLarge.
type OfferError struct {
	Job *job.Job // with its Upload
	err *job.Error
}

func (e *OfferError) Error() string { return e.err.Error() }
func (e *OfferError) Unwrap() error { return e.err }

// offer makes a job of an image that is too large for the submit. When its size was not
// announced, the rest of the body is counted.
func (u *upload) offer(ctx context.Context, in Submission) (*job.Job, error) {
	s, j := u.s, u.job
	if j.Input.SizeBytes = in.Size; in.Size == 0 {
		u.src.inline = s.limits.MaxBytes // nothing more is kept of it
		if _, err := io.Copy(io.Discard, u.src); err != nil {
			return nil, err
		}
		j.Input.SizeBytes = u.src.n
	}
	if j.Input.SizeBytes > s.limits.MaxBytes {
		return nil, s.tooLarge()
	}
	if in.Rest != nil {
		var err error
		if j.Params, err = in.Rest(); err != nil {
			return nil, err
		}
	}
	if err := s.rules.CheckParams(j.Input, j.Params); err != nil {
		return nil, err
	}
	if err := u.book(); err != nil {
		return nil, err
	}
	var err error
	if u.announced != nil {
		j, err = s.announced(ctx, u.announced, j)
	} else {
		j, err = s.announce(ctx, u.to, j)
	}
	if err != nil {
		return j, err
	}
	return s.offered(j)
}

// offered words the offer of an upload; a job that awaits none (any more) is returned.
func (s *Service) offered(j *job.Job) (*job.Job, error) {
	if j.Upload == nil {
		return j, nil
	}
	return j, &OfferError{j, job.Errorf(job.TooLarge,
		"the image has more than %d bytes, the most that a submit itself carries here; PUT it to the upload's url with its headers, then POST to the job's location with /commit behind it", s.limits.InlineBytes)}
}

// inflow bounds an upload and words its reader's errors.
type inflow struct {
	r           io.Reader
	n           int64
	max, inline int64
}

func (f *inflow) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	if f.n > f.max {
		return 0, job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that this service takes", f.max)
	}
	if f.n > f.inline {
		return 0, errOverInline
	}
	if err != nil && err != io.EOF && job.KindOf(err) == job.Unknown {
		err = job.Wrap(job.Invalid, err, "the body broke off before its end; send it again")
	}
	return n, err
}
