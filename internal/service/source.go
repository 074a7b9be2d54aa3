package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

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
