// Package vips is the engine based on libvips, which runs in processes of its own.
package vips

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
)

// A worker and an engine exchange frames: one byte for the kind, four bytes of length,
// big endian, and the payload.
//
//	engine ▶ worker   hello                                  once, after it has confined itself
//	worker ▶ engine   job, data..., end                      the image in parts of any size
//	engine ▶ worker   progress..., result, data..., done     or failure, at any time
//
// An engine that has failed a job reads on to the job's end, and is ready for the next
// one.
const (
	FrameHello    = 'H' // Hello
	FrameJob      = 'J' // Request
	FrameData     = 'D' // bytes
	FrameEnd      = 'E' // empty
	FrameProgress = 'P' // Progress
	FrameResult   = 'R' // Outcome
	FrameDone     = 'O' // empty
	FrameFailure  = 'F' // Failure
)

// MaxFrame bounds the length of a frame.
const MaxFrame = 1 << 20

// Protocol is the version of this protocol. A worker refuses an engine of another
// version.
const Protocol = 1

// Hello introduces an engine.
type Hello struct {
	Protocol int      `json:"protocol"`
	Version  string   `json:"version"` // of the program
	Libvips  string   `json:"libvips"`
	Reads    []string `json:"reads"`  // media types
	Writes   []string `json:"writes"` // formats, as params name them
	// Walls lists the restrictions in force on the engine, and NoWalls those that this
	// kernel does not have.
	Walls   []string `json:"walls"`
	NoWalls []string `json:"no_walls,omitempty"`
}

// Request is a job.
type Request struct {
	Params    json.RawMessage `json:"params,omitempty"`
	SizeBytes int64           `json:"size_bytes,omitempty"` // of the image; zero when unknown
	Limits    imaging.Limits  `json:"limits"`
}

// Progress reports how far a job is.
type Progress struct {
	Fraction float64 `json:"fraction"`
	Note     string  `json:"note,omitempty"`
}

// Outcome describes the data that follow.
type Outcome struct {
	ContentType string `json:"content_type"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
}

// Failure says why there is no result, or no more of it.
type Failure struct {
	Kind    job.Kind `json:"kind"`
	Message string   `json:"message"` // for the client
	Detail  string   `json:"detail"`  // for the operator
}

// Error returns the failure as the error of the job.
func (f Failure) Error() error {
	return job.Wrap(f.Kind, errors.New(f.Detail), f.Message)
}

// WriteFrame writes a frame in one call.
func WriteFrame(w io.Writer, kind byte, payload []byte) error {
	b := make([]byte, 0, 5+len(payload))
	b = binary.BigEndian.AppendUint32(append(b, kind), uint32(len(payload)))
	_, err := w.Write(append(b, payload...))
	return err
}

// writeInPlace writes a frame whose payload follows five bytes that it may overwrite.
func writeInPlace(w io.Writer, kind byte, frame []byte) error {
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-5))
	_, err := w.Write(frame)
	return err
}

// WriteMessage writes a frame of JSON.
func WriteMessage(w io.Writer, kind byte, message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("frame %q: %w", kind, err)
	}
	return WriteFrame(w, kind, b)
}

// ReadHeader reads the kind and the length of the next frame. The caller reads the
// payload from r. The error is io.EOF when r ends between frames.
func ReadHeader(r io.Reader) (kind byte, length int, err error) {
	var b [5]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, 0, err
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n > MaxFrame {
		return 0, 0, fmt.Errorf("frame %q of %d bytes is longer than %d", b[0], n, MaxFrame)
	}
	return b[0], int(n), nil
}

// ReadFrame reads a frame.
func ReadFrame(r io.Reader) (kind byte, payload []byte, err error) {
	kind, n, err := ReadHeader(r)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("frame %q: %w", kind, io.ErrUnexpectedEOF)
	}
	return kind, payload, nil
}
