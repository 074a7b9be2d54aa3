package imageinfo

import (
	"encoding/binary"
	"math"
)

// Tags and value types of TIFF 6.0, sections 2 and 8, and of BigTIFF.
const (
	tagWidth       = 256
	tagHeight      = 257
	tagOrientation = 274

	tiffShort = 3
	tiffLong  = 4
	tiffLong8 = 16
)

// maxEntries bounds the directory entries that are read of one file: directories may
// overlap, so that a small file could otherwise take much time.
const maxEntries = 1 << 20

// tiffFile follows the chain of directories of a TIFF or BigTIFF file. Each is a page.
// Directories outside the chain (thumbnails, the layers of a pyramid) do not count.
//
// In a stream it finds directories in the order of the file, as nearly all writers put
// them, and any within the head; with others the pixels stay unknown.
type tiffFile struct {
	t     tracker
	state func(f *tiffFile, at int64, b []byte) (want, error)
	order binary.ByteOrder
	big   bool

	left          uint64 // unread entries of this directory
	width, height uint64 // of this directory
	entries       int    // total entries read
	pages         int

	// Brent's cycle detection: the offset that the chain would come back to, and how
	// many more directories to follow before taking a new one.
	anchor      uint64
	lap, budget int
}

func newTIFF(t tracker) (format, want) {
	return &tiffFile{t: t, state: (*tiffFile).header}, want{at: 0, size: 8}
}

func (f *tiffFile) tracker() *tracker                     { return &f.t }
func (f *tiffFile) next(at int64, b []byte) (want, error) { return f.state(f, at, b) }

func (f *tiffFile) header(_ int64, b []byte) (want, error) {
	f.order = binary.BigEndian
	if b[0] == 'I' {
		f.order = binary.LittleEndian
	}
	if f.order.Uint16(b[2:]) == 43 {
		f.big = true
		if f.order.Uint16(b[4:]) != 8 || f.order.Uint16(b[6:]) != 0 {
			return want{}, f.t.malformed("offsets of %d bytes", f.order.Uint16(b[4:]))
		}
		f.state = (*tiffFile).link
		return want{at: 8, size: 8}, nil
	}
	return f.link(4, b[4:])
}

// word reads an offset, or a BigTIFF's count.
func (f *tiffFile) word(b []byte) uint64 {
	if f.big {
		return f.order.Uint64(b)
	}
	return uint64(f.order.Uint32(b))
}

// link reads the offset of the next directory.
func (f *tiffFile) link(_ int64, b []byte) (want, error) {
	at := f.word(b)
	switch {
	case at == 0 && f.pages > 0:
		f.t.Complete = true
		return want{}, nil
	case at < 8 || at > math.MaxInt64/2:
		return want{}, f.t.malformed("directory at %d", at)
	case at == f.anchor:
		return want{}, f.t.malformed("directories in a loop")
	}
	if f.budget == 0 {
		f.anchor = at
		f.lap = max(1, 2*f.lap)
		f.budget = f.lap
	}
	f.budget--
	f.state = (*tiffFile).count
	if f.big {
		return want{at: int64(at), size: 8}, nil
	}
	return want{at: int64(at), size: 2}, nil
}

func (f *tiffFile) count(at int64, b []byte) (want, error) {
	if f.big {
		f.left = f.order.Uint64(b)
	} else {
		f.left = uint64(f.order.Uint16(b))
	}
	f.width, f.height = 0, 0
	return f.entryAt(at + int64(len(b)))
}

func (f *tiffFile) entryAt(at int64) (want, error) {
	if f.left == 0 {
		return f.page(at)
	}
	f.left--
	if f.entries++; f.entries > maxEntries {
		return want{}, f.t.malformed("more than %d directory entries", maxEntries)
	}
	f.state = (*tiffFile).entry
	if f.big {
		return want{at: at, size: 20}, nil
	}
	return want{at: at, size: 12}, nil
}

func (f *tiffFile) entry(at int64, b []byte) (want, error) {
	count, value := f.word(b[4:]), b[8:]
	if f.big {
		value = b[12:]
	}
	tag, kind := f.order.Uint16(b), f.order.Uint16(b[2:])
	if count != 1 {
		// The value may be the offset of a list; decoders use its first number.
		if tag == tagWidth || tag == tagHeight {
			return want{}, f.t.malformed("%d sizes in one entry", count)
		}
		return f.entryAt(at + int64(len(b)))
	}
	var v uint64
	switch kind {
	case tiffShort:
		v = uint64(f.order.Uint16(value))
	case tiffLong:
		v = uint64(f.order.Uint32(value))
	case tiffLong8:
		if f.big {
			v = f.order.Uint64(value)
		}
	}
	switch tag {
	case tagWidth:
		f.width = max(f.width, v)
	case tagHeight:
		f.height = max(f.height, v)
	case tagOrientation:
		if f.pages == 0 {
			f.t.Orientation = validOrientation(v)
		}
	}
	return f.entryAt(at + int64(len(b)))
}

// page ends a directory; at is the offset of the link to the next one.
func (f *tiffFile) page(at int64) (want, error) {
	w, h := int64(min(f.width, math.MaxInt64)), int64(min(f.height, math.MaxInt64))
	if f.pages == 0 {
		if err := f.t.canvas(w, h); err != nil {
			return want{}, err
		}
	}
	f.pages++
	if err := f.t.frame(w, h); err != nil {
		return want{}, err
	}
	f.state = (*tiffFile).link
	if f.big {
		return want{at: at, size: 8}, nil
	}
	return want{at: at, size: 4}, nil
}
