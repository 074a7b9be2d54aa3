package imageinfo

import (
	"bytes"
	"encoding/binary"
)

// jpegFile parses a JPEG file from marker to marker (ITU-T T.81, annex B): the size is in
// the start of frame, the orientation in an APP1 segment. It searches scans for the
// marker at their end, so that it can tell a truncated file from a whole one.
type jpegFile struct {
	t     tracker
	state func(j *jpegFile, at int64, b []byte) (want, error)
	code  byte // the current marker
	scans bool // a scan has begun
}

func newJPEG(t tracker) (format, want) {
	return &jpegFile{t: t, state: (*jpegFile).prefix}, want{at: 2, size: 1, scan: true}
}

func (j *jpegFile) tracker() *tracker                     { return &j.t }
func (j *jpegFile) next(at int64, b []byte) (want, error) { return j.state(j, at, b) }

// marker asks for the next marker at or after at. It skips bytes before it, as decoders
// do.
func (j *jpegFile) marker(at int64) (want, error) {
	j.state = (*jpegFile).prefix
	return want{at: at, size: 1, scan: true}, nil
}

func (j *jpegFile) prefix(at int64, _ []byte) (want, error) {
	j.state = (*jpegFile).kind
	return want{at: at + 1, size: 1}, nil
}

func (j *jpegFile) kind(at int64, b []byte) (want, error) {
	j.code = b[0]
	switch {
	case j.code == 0xff: // fill
		return want{at: at + 1, size: 1}, nil
	case j.code == 0x00, j.code == 0x01, 0xd0 <= j.code && j.code <= 0xd7: // stuffing, TEM, RSTn
		return j.marker(at + 1)
	case j.code == 0xd8:
		return want{}, j.t.malformed("a second start of image")
	case j.code == 0xd9: // end of image
		if j.t.Width == 0 {
			return want{}, j.t.malformed("it ends before it says its size")
		}
		j.t.Complete = j.scans
		return want{}, nil
	}
	j.state = (*jpegFile).length
	return want{at: at + 1, size: 2}, nil
}

func (j *jpegFile) length(at int64, b []byte) (want, error) {
	n := int(binary.BigEndian.Uint16(b)) // including its own two bytes
	if n < 2 {
		return want{}, j.t.malformed("segment %#x of length %d", j.code, n)
	}
	switch {
	case 0xc0 <= j.code && j.code <= 0xcf && j.code != 0xc4 && j.code != 0xc8 && j.code != 0xcc: // SOFn
		if n < 8 {
			return want{}, j.t.malformed("start of frame of length %d", n)
		}
		j.state = (*jpegFile).frame
		return want{at: at + 2, size: n - 2}, nil
	case j.code == 0xda: // SOS
		if j.t.Width == 0 {
			return want{}, j.t.malformed("a scan before the size")
		}
		j.scans, j.t.settled = true, true
	case j.code == 0xe1 && n > 2 && j.t.Orientation == 0: // APP1
		j.state = (*jpegFile).app1
		return want{at: at + 2, size: n - 2}, nil
	}
	return j.marker(at + int64(n))
}

func (j *jpegFile) frame(at int64, b []byte) (want, error) {
	if j.t.Width != 0 {
		return want{}, j.t.malformed("a second start of frame")
	}
	h, w := int64(binary.BigEndian.Uint16(b[1:])), int64(binary.BigEndian.Uint16(b[3:]))
	if err := j.t.canvas(w, h); err != nil {
		return want{}, err
	}
	if err := j.t.frame(w, h); err != nil {
		return want{}, err
	}
	return j.marker(at + int64(len(b)))
}

func (j *jpegFile) app1(at int64, b []byte) (want, error) {
	if exif, ok := bytes.CutPrefix(b, []byte("Exif\x00\x00")); ok {
		j.t.Orientation = exifOrientation(exif)
	}
	return j.marker(at + int64(len(b)))
}
