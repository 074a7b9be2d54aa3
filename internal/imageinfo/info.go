package imageinfo

import (
	"errors"
	"fmt"
	"math"
)

// Info is what is known of an image.
type Info struct {
	// ContentType is the media type that Detect found.
	ContentType string
	// Width and Height are in pixels, of the first frame (of the canvas, where frames
	// are composed on one), as stored, before Orientation; zero when unknown. A HEIF or
	// JPEG XL file turns its picture itself: there they are as shown.
	Width, Height int
	// Frames counts the pictures seen: frames of an animation, pages of a TIFF. Zero
	// when unknown.
	Frames int
	// Pixels is the number of pixels of all frames together. A frame of an animation
	// counts as the whole canvas, since that is what it takes to show it. Zero when
	// unknown: a format of which only the name is known, or a stream that refers back
	// to bytes that are gone.
	Pixels int64
	// Orientation is the EXIF orientation, 1 to 8; zero when the file states none.
	Orientation int
	// Complete: the structure was followed to its end. False for a file that was cut
	// off, and for formats whose end is not looked for.
	Complete bool
}

// ErrNotImage is the error of a file that begins no image.
var ErrNotImage = errors.New("not an image")

// MalformedError is the error of a file that begins as an image and is none.
type MalformedError struct {
	ContentType string
	Reason      string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s: %s", e.ContentType, e.Reason)
}

// TooManyPixelsError is the error of an image that holds more pixels than allowed. The
// figures are those at the moment when that was certain; there may be more frames.
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

// tally gathers the Info of one file and holds it to the limit.
type tally struct {
	Info
	max int64 // pixels; zero or less: no limit
	// unknown: the pixels cannot be known from what can be seen.
	unknown bool
	// settled: nothing that follows can add pixels.
	settled bool
}

func (t *tally) malformed(format string, args ...any) error {
	return &MalformedError{ContentType: t.ContentType, Reason: fmt.Sprintf(format, args...)}
}

// canvas notes the size of the picture as a whole.
func (t *tally) canvas(width, height int64) error {
	err := t.fits(width, height)
	if _, malformed := err.(*MalformedError); !malformed {
		t.Width, t.Height = int(width), int(height)
	}
	return err
}

// fits holds the size of a picture in the file to the limit, and states nothing.
func (t *tally) fits(width, height int64) error {
	if width <= 0 || height <= 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return t.malformed("size %d x %d", width, height)
	}
	if t.max > 0 && width*height > t.max {
		return &TooManyPixelsError{Width: int(width), Height: int(height), Frames: max(t.Frames, 1), Pixels: width * height, Max: t.max}
	}
	return nil
}

// frame counts one more picture of so many pixels.
func (t *tally) frame(width, height int64) error {
	if width <= 0 || height <= 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return t.malformed("frame of %d x %d", width, height)
	}
	t.Frames++
	return t.pixels(width, height, width*height)
}

// pixels adds n pixels to the sum, on account of a picture of width x height.
func (t *tally) pixels(width, height, n int64) error {
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

// result is the Info as it may be shown.
func (t *tally) result() Info {
	info := t.Info
	if t.unknown {
		info.Pixels, info.Frames = 0, 0
	}
	return info
}
