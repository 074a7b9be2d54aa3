package imageinfo

import (
	"errors"
	"fmt"
	"math"
)

// Info describes an image as far as it is known.
type Info struct {
	// ContentType is the media type that Detect returns.
	ContentType string
	// Width and Height are in pixels, of the first frame (of the canvas, where frames are
	// composed on one), as stored, before Orientation; zero when unknown. HEIF and JPEG XL
	// files rotate their pictures themselves: there the size is as displayed.
	Width, Height int
	// Frames counts the pictures seen: frames of an animation, pages of a TIFF. Zero
	// when unknown.
	Frames int
	// Pixels is the number of pixels of all frames together. A frame of an animation counts
	// as the whole canvas, which displaying it takes. Zero when unknown: for a format that
	// is not parsed, or a stream that refers to earlier bytes.
	Pixels int64
	// Orientation is the EXIF orientation, 1 to 8; zero when the file states none.
	Orientation int
	// Complete: the structure was parsed to its end. False for a file that is cut off, and
	// for formats whose end is not checked.
	Complete bool
}

// ErrNotImage is the error for a file that does not begin as an image.
var ErrNotImage = errors.New("not an image")

// MalformedError is the error for a file that begins as an image and is broken.
type MalformedError struct {
	ContentType string
	Reason      string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s: %s", e.ContentType, e.Reason)
}

// TooManyPixelsError is the error for an image with more pixels than allowed. The figures
// are those known at that moment; there may be more frames.
type TooManyPixelsError struct {
	Width, Height int
	Frames        int
	Pixels        int64 // of these frames together
	Max           int64
}

func (e *TooManyPixelsError) Error() string {
	if e.Frames > 1 {
		return fmt.Sprintf("%d pixels in %d frames of %d x %d are more than %d", e.Pixels, e.Frames, e.Width, e.Height, e.Max)
	}
	return fmt.Sprintf("%d x %d are %d pixels, more than %d", e.Width, e.Height, e.Pixels, e.Max)
}

// tracker collects the Info of one file and enforces the limit.
type tracker struct {
	Info
	max int64 // pixels; zero or less: no limit
	// unknown: the file does not reveal its pixels.
	unknown bool
	// settled: nothing later in the file can add pixels.
	settled bool
}

func (t *tracker) malformed(format string, args ...any) error {
	return &MalformedError{ContentType: t.ContentType, Reason: fmt.Sprintf(format, args...)}
}

// canvas records the size of the picture as a whole.
func (t *tracker) canvas(width, height int64) error {
	err := t.fits(width, height)
	if _, malformed := err.(*MalformedError); !malformed {
		t.Width, t.Height = int(width), int(height)
	}
	return err
}

// fits checks the size of a picture in the file against the limit, without recording it.
func (t *tracker) fits(width, height int64) error {
	if width <= 0 || height <= 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return t.malformed("size %d x %d", width, height)
	}
	if t.max > 0 && width*height > t.max {
		return &TooManyPixelsError{Width: int(width), Height: int(height), Frames: max(t.Frames, 1), Pixels: width * height, Max: t.max}
	}
	return nil
}

// frame counts one more picture with that many pixels.
func (t *tracker) frame(width, height int64) error {
	if width <= 0 || height <= 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return t.malformed("frame of %d x %d", width, height)
	}
	t.Frames++
	return t.pixels(width, height, width*height)
}

// pixels adds n pixels for a picture of width x height.
func (t *tracker) pixels(width, height, n int64) error {
	if t.Pixels > math.MaxInt64-n {
		t.Pixels = math.MaxInt64
	} else {
		t.Pixels += n
	}
	if t.max > 0 && t.Pixels > t.max {
		return &TooManyPixelsError{Width: int(width), Height: int(height), Frames: t.Frames, Pixels: t.Pixels, Max: t.max}
	}
	return nil
}

// result returns the Info for callers.
func (t *tracker) result() Info {
	info := t.Info
	if t.unknown {
		info.Pixels, info.Frames = 0, 0
	}
	return info
}
