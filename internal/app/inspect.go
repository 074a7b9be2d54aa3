package app

import (
	"errors"
	"fmt"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/media"
)

// inspector lets media look at uploads for the domain, in the domain's words.
type inspector struct{}

func (inspector) Detect(head []byte) string { return media.Detect(head) }

func (inspector) Inspect(maxPixels int64) job.Inspection {
	return inspection{media.NewScanner(maxPixels)}
}

type inspection struct{ s *media.Scanner }

func (i inspection) Write(p []byte) (int, error) {
	n, err := i.s.Write(p)
	return n, word(err)
}

func (i inspection) Finish() (job.Media, error) {
	if err := i.s.Close(); err != nil {
		return job.Media{}, word(err)
	}
	return mediaOf(i.s.Info()), nil
}

func (inspector) InspectAt(r io.ReaderAt, size, maxPixels int64) (job.Media, error) {
	info, err := media.ReadSize(r, size, maxPixels)
	return mediaOf(info), word(err)
}

func mediaOf(info media.Info) job.Media {
	return job.Media{ContentType: info.ContentType, Width: info.Width, Height: info.Height, Pixels: info.Pixels}
}

// word gives an error of media its kind and a sentence for the client.
func word(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*media.TooManyPixelsError](err); ok {
		return job.Wrap(job.TooLarge, err, fmt.Sprintf("the image has too many pixels: %s, the most that this service takes", e))
	}
	if e, ok := errors.AsType[*media.MalformedError](err); ok {
		return job.Wrap(job.Unsupported, err, fmt.Sprintf("the image is not readable: %s", e))
	}
	return job.Wrap(job.Unsupported, err, "the body is not an image")
}
