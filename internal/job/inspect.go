package job

import "io"

// Inspector tells what an upload is, from its bytes alone.
type Inspector interface {
	// Detect returns the media type of the image that begins with head (up to
	// [HeadSize] bytes), or "" when it is no image.
	Detect(head []byte) string
	// Refusal returns the sentence for the client whose file, which begins with head, is
	// not an image of a type that accepts reports true for.
	Refusal(head []byte, accepts func(contentType string) bool) string
	// Inspect begins to follow one image of at most maxPixels in all frames together.
	Inspect(maxPixels int64) Inspection
	// InspectAt looks at a stored image of size bytes here and there. Errors are as
	// those of Inspection, or r's.
	InspectAt(r io.ReaderAt, size, maxPixels int64) (Media, error)
}

// HeadSize is how many bytes of an image Detect wants to see.
const HeadSize = 4096

// Inspection follows one image while it streams by. Not safe for concurrent use.
type Inspection interface {
	// Write takes the next bytes. It returns a TooLarge or Unsupported error with a
	// sentence for the client as soon as the image is known to be one that must not
	// be accepted.
	io.Writer
	// Finish is called once, after the last byte; it returns what is known of the
	// image's dimensions, or the same errors as Write.
	Finish() (Media, error)
}
