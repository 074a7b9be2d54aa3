package job

import "io"

// Inspector identifies uploads by their bytes alone.
type Inspector interface {
	// Detect returns the media type of the image that begins with head (up to
	// [HeadSize] bytes), or "" when it is not an image.
	Detect(head []byte) string
	// Refusal returns the sentence for a client whose file begins with head and is not an
	// image of an accepted type.
	Refusal(head []byte, accepts func(contentType string) bool) string
	// Inspect begins the inspection of one image of at most maxPixels in all frames
	// together.
	Inspect(maxPixels int64) Inspection
	// InspectAt inspects a stored image of size bytes by a few reads. Its errors are those
	// of Inspection, or r's.
	InspectAt(r io.ReaderAt, size, maxPixels int64) (Media, error)
}

// HeadSize is the number of bytes that Detect needs.
const HeadSize = 4096

// Inspection inspects one image while it streams through. Not safe for concurrent use.
type Inspection interface {
	// Write takes the next bytes. It returns a TooLarge or Unsupported error with a sentence
	// for the client as soon as it is certain that the image must be refused.
	io.Writer
	// Finish is called once, after the last byte. It returns the image's dimensions as far
	// as they are known, or the same errors as Write.
	Finish() (Media, error)
}
