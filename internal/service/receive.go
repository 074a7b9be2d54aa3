package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

// receive reads the submission to its end and judges it. Nothing is visible after it.
func (u *submit) receive(ctx context.Context) error {
	switch {
	case u.in.Source != "" && u.earlier != nil: // the URL is compared, and not what is there now
		return u.takeRest()
	case u.in.Source != "":
		if err := u.fetch(ctx); err != nil {
			return err
		}
	case u.in.Image == nil: // nothing to read
		return nil
	case u.earlier != nil && !u.s.awaitsUpload(u.earlier):
		return u.digest()
	}
	return u.stage(ctx)
}

// announce checks an image that will be uploaded directly.
func (u *submit) announce() error {
	switch in := u.in; {
	case in.Size <= 0:
		return job.Errorf(job.Invalid, "size_bytes is missing; set it to the size of the image in bytes")
	case in.Size > u.s.limits.MaxBytes:
		return u.s.tooLarge()
	case !u.s.rules.Accepts(in.ContentType):
		return job.Errorf(job.Unsupported, "this service does not process %.80q; set content_type to the type of the image", in.ContentType)
	}
	u.job.Input = job.Media{ContentType: u.in.ContentType, SizeBytes: u.in.Size, SHA256: u.in.SHA256}
	return u.takeParams()
}

// takeRest reads the other parts of the submission: the params and the webhook.
func (u *submit) takeRest() (err error) {
	if u.in.Rest != nil {
		if u.job.Params, err = u.in.Rest(); err != nil {
			return err
		}
	}
	return u.takeWebhook()
}

// takeParams is takeRest, and asks the processor's rules about the params.
func (u *submit) takeParams() error {
	if err := u.takeRest(); err != nil {
		return err
	}
	return u.s.rules.CheckParams(u.job.Input, u.job.Params)
}

// digest reads an image only to compare it with the image of the key's job.
func (u *submit) digest() error {
	sum := sha256.New()
	src := &boundedImage{r: u.in.Image, max: u.s.limits.MaxBytes, inline: u.s.limits.MaxBytes}
	n, err := io.Copy(io.Discard, io.TeeReader(src, sum))
	if err != nil {
		return err
	}
	u.job.Input.SizeBytes, u.job.Input.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	return u.takeRest()
}

// stage reads and checks an image, and prepares it for storage. It only counts one that
// is too large for the submit.
func (u *submit) stage(ctx context.Context) error {
	s, j := u.s, u.job
	// The head is always read: it decides about the offer.
	src := &boundedImage{r: u.in.Image, max: s.limits.MaxBytes, inline: max(u.inline(), job.HeadSize)}
	head := make([]byte, job.HeadSize)
	n, err := io.ReadFull(src, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	if j.Input.ContentType, err = s.judge(head); err != nil {
		return err
	}
	if u.in.Size > u.inline() {
		err = errOverInline
	} else {
		err = u.stageWhole(ctx, io.MultiReader(bytes.NewReader(head), src))
	}
	if errors.Is(err, errOverInline) {
		u.over = true
		err = u.countRest(src)
	}
	if err != nil {
		return err
	}
	return u.takeParams()
}

func (u *submit) stageWhole(ctx context.Context, image io.Reader) error {
	if u.in.Acquire != nil {
		if err := u.in.Acquire(ctx, u.in.Size); err != nil {
			return err
		}
	}
	inspection := u.s.inspector.Inspect(u.s.limits.MaxPixels)
	var sink io.Writer = inspection
	if u.preview != nil {
		sink = io.MultiWriter(inspection, u.preview)
	}
	staged, err := u.to.Objects.Stage(ctx, job.Input, u.job.ObjectID(), u.job.Input.ContentType, io.TeeReader(image, sink))
	if err != nil {
		return err
	}
	u.staged = staged
	media, err := inspection.Finish()
	if err != nil {
		return err
	}
	media.ContentType, media.SizeBytes, media.SHA256 = u.job.Input.ContentType, staged.Size(), staged.SHA256()
	u.job.Input = media
	return nil
}

// inline is the most that a submit itself may bring. A source does not pass what is in front
// of this service, whose limits the submit has.
func (u *submit) inline() int64 {
	if u.in.Source != "" {
		return u.s.limits.MaxBytes
	}
	return u.s.limits.InlineBytes
}

// countRest determines the size of an image that is offered a direct upload.
func (u *submit) countRest(src *boundedImage) error {
	n := u.in.Size
	if n == 0 {
		src.inline = src.max // no more of it is kept
		if _, err := io.Copy(io.Discard, src); err != nil {
			return err
		}
		n = src.n
	}
	if n > u.s.limits.MaxBytes {
		return u.s.tooLarge()
	}
	u.job.Input.SizeBytes = n
	return nil
}

// judge returns the media type of an image by its first bytes, or the reason for a
// refusal.
func (s *Service) judge(head []byte) (contentType string, err error) {
	if len(head) == 0 {
		return "", job.Errorf(job.Invalid, "the image is empty; send the bytes of an image file")
	}
	contentType = s.inspector.Detect(head)
	if contentType == "" || !s.rules.Accepts(contentType) {
		return "", job.Errorf(job.Unsupported, "%s", s.inspector.Refusal(head, s.rules.Accepts))
	}
	return contentType, nil
}

func (s *Service) tooLarge() error {
	return job.Errorf(job.TooLarge, "the image has more than %d bytes, the maximum of this service", s.limits.MaxBytes)
}

// errOverInline means that an image is too large for a submit itself.
var errOverInline = errors.New("image is over the inline limit")

// boundedImage bounds an image, and turns its reader's errors into sentences.
type boundedImage struct {
	r           io.Reader
	n           int64
	max, inline int64
}

func (b *boundedImage) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.max {
		return 0, job.Errorf(job.TooLarge, "the image has more than %d bytes, the maximum of this service", b.max)
	}
	if b.n > b.inline {
		return 0, errOverInline
	}
	if err != nil && err != io.EOF && job.KindOf(err) == job.Unknown {
		err = job.Wrap(job.Invalid, err, "the body broke off before its end; send it again")
	}
	return n, err
}

// source is an image that is fetched from the client's URL.
type source struct {
	content io.ReadCloser  // nil while nothing is fetched
	place   *limiter.Lease // among the fetches; nil while none is taken
}

func (s *source) close() {
	if s.content != nil {
		s.content.Close()
	}
	if s.place != nil {
		s.place.Release()
	}
}

// checkSource refuses an invalid URL before any other step.
func (u *submit) checkSource() error {
	if u.s.fetcher == nil {
		return job.Errorf(job.Invalid, "this service fetches no images; send the image itself")
	}
	if err := u.s.fetcher.Check(u.in.Source); err != nil {
		return sourceError(err)
	}
	sum := sha256.Sum256([]byte(u.in.Source))
	u.job.Source = hex.EncodeToString(sum[:])
	return nil
}

// fetch opens the source as the image of the submission.
func (u *submit) fetch(ctx context.Context) (err error) {
	if u.source.place, err = u.s.fetches.Acquire(ctx, u.job.Owner); err != nil {
		return err
	}
	content, size, err := u.s.fetcher.Fetch(ctx, u.in.Source)
	if err != nil {
		return sourceError(err)
	}
	u.source.content = content
	if size > u.s.limits.MaxBytes {
		return u.s.tooLarge()
	}
	u.in.Size = max(size, 0)
	u.in.Image = &bookedImage{sourceImage{content}, &u.booking}
	return nil
}

// sourceImage is what is read of a source.
type sourceImage struct{ io.Reader }

func (r sourceImage) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = sourceError(err)
	}
	return n, err
}

// sourceError adds to the client's sentence that the error is about the source.
func sourceError(err error) error {
	kind, sentence := job.KindOf(err), job.MessageOf(err)
	if kind == job.Canceled {
		return err
	}
	if kind == job.Unknown || sentence == "" {
		kind, sentence = job.Upstream, "the server breaks off the connection"
	}
	return job.Wrap(kind, err, fmt.Sprintf("the source cannot be fetched: %s", sentence))
}
