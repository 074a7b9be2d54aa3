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

// Submission is one image to submit.
type Submission struct {
	// Image is read to its end or to the first error. Submit returns an error with a Kind
	// unchanged, and any other as Invalid. Nil without a Source announces an image that the
	// client will upload directly.
	Image io.Reader
	// Source is the URL from which to fetch the image, instead of Image; empty for none.
	Source string
	// ContentType is the media type of an announced image.
	ContentType string
	// Size is the image's length in bytes where it was announced; zero when unknown.
	Size int64
	// SHA256 is the lower-case hexadecimal SHA-256 of an announced image; empty when unknown.
	SHA256 string
	// Announced is the minimum size of the body, in bytes; zero if unknown.
	Announced int64
	// Rest is called once the image has been read to its end and before anything is
	// stored; it returns the params that came after (or before) it. Nil: no params.
	Rest func() (params json.RawMessage, err error)
	// Webhook returns the URL of the job's webhook, empty for none; it is called after Rest.
	// Nil: none.
	Webhook func() string
	// Base begins the URLs in the webhook, without a final slash.
	Base string
	// Acquire reserves the memory for an image of this size, zero if unknown. It is called
	// after the head of the image is checked and before the image is staged. Nil: no limit.
	Acquire func(ctx context.Context, size int64) error
	// Key is the idempotency key; empty for none.
	Key string
	// CancelAfter is the number of seconds after which the job is canceled, up to
	// [job.MaxCancelAfter]; zero for never. Under a key that has a job already it has no
	// effect.
	CancelAfter int
	// Trace is the W3C trace context of the message; may be nil.
	Trace map[string]string
}

// Result is the result of a submission without a client's mistake.
type Result uint8

const (
	// Accepted: image, document and message are durable. An announced job awaits its
	// upload instead and has no message yet.
	Accepted Result = iota
	// Repeated: the key names this job already, and it was the same submission.
	Repeated
	// Offered: the image is too large for a submit, but not for a job. The job awaits its
	// direct upload.
	Offered
	// NotAccepted: a backend failed. The job's identifier names a document that says
	// failed, wherever storage could still take it.
	NotAccepted
)

// Outcome is the outcome of a submission.
type Outcome struct {
	Result Result
	Job    *job.Job
	// Err says to the client why the image is only Offered, or NotAccepted; else nil.
	Err error
}

const (
	sayNotAccepted = "the job was not accepted: a backend of this service failed; submit it again later"
	sayKeyReused   = "this Idempotency-Key was used before with another image, other parameters or another webhook; use a new key for a new job"
)

// Submit accepts an image, or the announcement of one, as a job of the caller.
//
// It makes nothing visible until it has read the whole body and found it valid. Then it stores
// the last bytes of the image and the document, and then sends the message. After the last
// byte it continues even when ctx is canceled, within Limits.Settle.
//
// An error is the client's own mistake (Invalid, TooLarge, Unsupported, Mismatch, Timeout), a
// failure of the server that the client named (Upstream), or a refusal (Denied, Exhausted, and
// Conflict for a key whose job is being deleted). It leaves nothing behind.
func (s *Service) Submit(ctx context.Context, who job.Caller, in Submission) (Outcome, error) {
	ctx, _ = job.WithMeter(ctx)
	to, err := s.authz.Submit(ctx, who)
	if err != nil {
		return Outcome{}, err
	}
	u := &submit{s: s, to: to, in: in, job: &job.Job{Status: job.Pending, Owner: who.Owner(), CancelAfter: in.CancelAfter}}
	switch {
	case in.Source != "":
		err = u.checkSource()
	case in.Image == nil:
		err = u.announce()
	}
	if err != nil {
		return Outcome{}, err
	}
	if in.Image != nil || in.Source != "" {
		u.preview = s.previewer.Watch()
	}
	defer u.close()
	return u.run(ctx)
}

// submit is one submission between its first byte and its answer. Its steps are those of
// run, in this order, for all images: plain ones, those under an idempotency key, those that
// are fetched from a source, and those that are announced or offered a direct upload. A job
// without a key has an identifier that no other job has, so it is one under a key that needs
// no look-up.
type submit struct {
	s       *Service
	to      authz.Writer
	in      Submission
	job     *job.Job   // what is to be stored
	earlier *job.Job   // what the key names already; nil for nothing
	staged  job.Staged // the image; nil when it comes by a direct upload, or is not stored
	stored  bool       // staged is in storage
	sent    bool       // the message is in the queue
	listed  bool       // the job is in its owner's list, under its CreatedAt
	tried   *job.Job   // the try that was not accepted and that the job replaces; nil for none
	former  job.ID     // whose input the document no longer names once the job is written; empty for none
	over    bool       // the image is too large for a submit itself
	preview job.Preview
	booking booking
	source  source
}

func (u *submit) close() {
	u.source.close()
	if u.staged != nil {
		u.staged.Discard()
	}
	if u.preview != nil {
		u.preview.Close()
	}
}

func (u *submit) run(ctx context.Context) (Outcome, error) {
	if err := u.lookUp(ctx); err != nil {
		return u.notAccepted(u.job, err), nil
	}
	if u.earlier != nil && u.earlier.Deleted {
		return Outcome{}, errBeingDeleted
	}
	if err := u.book(); err != nil {
		return Outcome{}, err
	}
	out, err := u.finish(ctx)
	return out, u.booking.settle(out, err)
}

// finish reads, judges and settles a submission that is booked.
func (u *submit) finish(ctx context.Context) (Outcome, error) {
	err := u.receive(ctx)
	switch {
	case err == nil:
		return u.settle(ctx)
	case failedBackend(err):
		return u.refuse(ctx, err), nil
	}
	return Outcome{}, err
}

// lookUp gives the job its identifier, and finds the job that its key names already. A try
// that was not accepted is none: the job is written in its place.
func (u *submit) lookUp(ctx context.Context) error {
	if u.in.Key == "" {
		u.job.ID = job.NewID()
		return nil
	}
	u.job.ID, u.job.UID = job.IdempotencyID(u.job.Owner, u.in.Key), job.NewID()
	earlier, err := u.to.Documents.Load(ctx, u.job.ID)
	switch {
	case job.KindOf(err) == job.NotFound:
		return nil
	case err != nil:
		return err
	case earlier.Unaccepted && !earlier.Deleted:
		u.job.Version, u.former, u.tried = earlier.Version, earlier.ObjectID(), earlier
		return nil
	}
	u.earlier = earlier
	return nil
}

// settle makes the job durable, or finds the job of another submit under the key.
func (u *submit) settle(ctx context.Context) (Outcome, error) {
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.s.limits.Settle*2/3)
	defer cancel()
	j := u.job
	now := u.s.now()
	j.Stamp(now)
	j.CreatedAt = j.UpdatedAt
	if u.staged == nil {
		j.UploadUntil = now.Add(u.s.limits.UploadTTL).UTC().Truncate(time.Second)
	}
	for other := u.earlier; ; {
		if other != nil {
			if err := u.compare(other); err != nil {
				u.unstore(settling, other)
				return Outcome{}, err
			}
			if u.staged == nil || !u.s.awaitsUpload(other) {
				u.unstore(settling, other)
				return u.repeat(settling, other)
			}
			u.unlist(settling, other)
			u.takeOver(other)
		}
		var err error
		other, err = u.store(settling)
		if errors.Is(err, errBeingDeleted) {
			u.unstore(settling, nil)
			return Outcome{}, err
		}
		if err == nil && other == nil {
			u.removeInput(settling, u.former)
			u.unlistTry(settling)
			err = u.publish(settling)
		}
		if err != nil {
			return u.refuse(ctx, err), nil
		}
		if other == nil {
			return u.accepted(), nil
		}
	}
}

func (u *submit) accepted() Outcome {
	if u.preview != nil {
		u.preview.Accepted(u.job)
	}
	return u.answer(Accepted, u.job)
}

// repeat returns the existing job of the key.
func (u *submit) repeat(ctx context.Context, other *job.Job) (Outcome, error) {
	other, err := u.s.resend(ctx, u.to.Documents, other, u.in.Trace)
	if errors.Is(err, errBeingDeleted) {
		return Outcome{}, err
	}
	if err == nil {
		other.Upload, err = u.s.upload(ctx, other)
	}
	if err != nil {
		return u.notAccepted(other, err), nil
	}
	return u.answer(Repeated, other), nil
}

// answer is the outcome of an accepted job. For an image that is too large for the submit it is
// the offer of a direct upload.
func (u *submit) answer(r Result, j *job.Job) Outcome {
	if u.over && j.Upload != nil {
		return Outcome{Offered, j, job.Errorf(job.TooLarge,
			"the image has more than %d bytes, the maximum of a submit here; PUT it to the upload's url with its headers, then POST to the job's location with /commit appended", u.s.limits.InlineBytes)}
	}
	return Outcome{r, j, nil}
}

func (u *submit) notAccepted(j *job.Job, cause error) Outcome {
	return Outcome{NotAccepted, j, job.Wrap(job.KindOf(cause), cause, sayNotAccepted)}
}

// refuse records that a backend's failure kept the job from being accepted. When it
// turns out that a worker has the job already, the job is accepted after all.
func (u *submit) refuse(ctx context.Context, cause error) Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.s.limits.Settle/3)
	defer cancel()
	j, err := u.failUnaccepted(ctx)
	if err != nil {
		return u.notAccepted(u.job, fmt.Errorf("%w; and the document could not be marked as failed: %w", cause, err))
	}
	if !j.Unaccepted && !j.Deleted && j.Status != job.Pending && sameSubmission(j, u.job) {
		return Outcome{Accepted, j, nil}
	}
	return u.notAccepted(j, cause)
}

// failUnaccepted brings the document of a job that could not be accepted to failed,
// whether or not an earlier write of it arrived, and returns what is stored in the end: a
// document of another writer, when a worker was faster or another submit under the
// same key, which may have been answered with an acceptance.
func (u *submit) failUnaccepted(ctx context.Context) (*job.Job, error) {
	j := u.job
	for {
		failed := *j
		failed.Status, failed.Message, failed.UploadUntil, failed.Unaccepted = job.Failed, sayNotAccepted, time.Time{}, true
		failed.Stamp(u.s.now())
		write := u.to.Documents.Swap
		if failed.Version == "" {
			write, failed.CreatedAt = u.to.Documents.Create, failed.UpdatedAt
		}
		version, err := write(ctx, &failed)
		if err == nil {
			failed.Version = version
			return &failed, nil
		}
		if job.KindOf(err) != job.Conflict {
			return nil, err
		}
		stored, err := u.to.Documents.Load(ctx, j.ID)
		if err != nil || stored.Revision != j.Revision {
			return stored, err
		}
		j = stored
	}
}

// failedBackend reports whether the error is a backend's failure, not a client's mistake.
func failedBackend(err error) bool {
	switch job.KindOf(err) {
	case job.Unknown, job.Unavailable, job.Misconfigured, job.Corrupt, job.Conflict, job.NotFound:
		return true
	}
	return false
}
