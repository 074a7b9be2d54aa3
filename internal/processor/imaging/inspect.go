package imaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/input"
)

// ReadFile returns the whole image of a task.
func ReadFile(ctx context.Context, t job.Task, limits Limits) ([]byte, error) {
	var b bytes.Buffer
	if n := t.Input.SizeBytes; 0 < n && n <= limits.MaxInputBytes {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(input.NewReader(ctx, t.Image), limits.MaxInputBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if n > limits.MaxInputBytes {
		return nil, job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that is processed", limits.MaxInputBytes)
	}
	return b.Bytes(), nil
}

// Inspect reads the headers of a file before any pixel is decoded. It refuses a file that
// is not an image, has too many pixels, or would cost too much under the plan.
func Inspect(data []byte, plan Plan, limits Limits) (imageinfo.Info, error) {
	info, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limits.MaxPixels)
	if err != nil {
		return imageinfo.Info{}, Refusal(err)
	}
	return info, Bearable(info, plan)
}

// Bearable refuses an image that would cost too much under the plan.
func Bearable(info imageinfo.Info, plan Plan) error {
	w, h := info.Width, info.Height
	if info.Orientation > 4 { // it is stored sideways
		w, h = h, w
	}
	return plan.Bearable(w, h)
}

// Refusal words an error of package imageinfo.
func Refusal(err error) error {
	if e, ok := errors.AsType[*imageinfo.TooManyPixelsError](err); ok {
		return job.Wrap(job.TooLarge, err, fmt.Sprintf("the image has %d pixels, all frames together; %d are the most that is processed", e.Pixels, e.Max))
	}
	if errors.Is(err, imageinfo.ErrNotImage) {
		return job.Wrap(job.Unsupported, err, "the file is not an image")
	}
	if _, ok := errors.AsType[*imageinfo.MalformedError](err); ok {
		return job.Wrap(job.Invalid, err, "the image is damaged or cut off")
	}
	return err
}
