package app

import (
	"errors"
	"fmt"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// inspector lets imageinfo look at uploads for the domain, in the domain's words.
type inspector struct{}

func (inspector) Detect(head []byte) string { return imageinfo.Detect(head) }

func (inspector) Refusal(head []byte, accepts func(contentType string) bool) string {
	return imageinfo.Refusal(head, accepts)
}

func (inspector) Inspect(maxPixels int64) job.Inspection {
	return inspection{imageinfo.NewScanner(maxPixels)}
}

type inspection struct{ s *imageinfo.Scanner }

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
	info, err := imageinfo.ReadSize(r, size, maxPixels)
	return mediaOf(info), word(err)
}

func mediaOf(info imageinfo.Info) job.Media {
	return job.Media{ContentType: info.ContentType, Width: info.Width, Height: info.Height, Pixels: info.Pixels}
}

// word gives an error of imageinfo its kind and a sentence for the client.
func word(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*imageinfo.TooManyPixelsError](err); ok {
		return job.Wrap(job.TooLarge, err, fmt.Sprintf("the image has too many pixels: %s, the maximum of this service", e))
	}
	if e, ok := errors.AsType[*imageinfo.MalformedError](err); ok {
		return job.Wrap(job.Unsupported, err, fmt.Sprintf("the image is not readable: %s", e))
	}
	return job.Wrap(job.Unsupported, err, "the body is not an image")
}
