package imageinfo

import (
	"encoding/binary"
	"math"
)

// boxFile walks the boxes of an ISO base media file (ISO/IEC 14496-12), the structure of
// HEIF and of JPEG XL's container. A content interprets the boxes.
type boxFile struct {
	t       tracker
	state   func(f *boxFile, at int64, b []byte) (want, error)
	content content

	kind    [4]byte // of the current box
	end     int64   // end of the current box; math.MaxInt64: it ends with the file
	parents []parent
}

// parent is a box around the current one.
type parent struct {
	kind [4]byte
	end  int64
}

// content interprets the boxes of one format.
type content interface {
	// enter is called at the beginning of each box; body is the offset after its header. It
	// asks for bytes of the box, steps into it by f.into or over it by f.over.
	enter(f *boxFile, body int64) (want, error)
	// left is called after the last box in a box of this kind. With done set, its want
	// replaces the next box.
	left(f *boxFile, kind string) (w want, done bool, err error)
}

func newBoxes(t tracker, c content) (format, want) {
	return &boxFile{t: t, content: c, state: (*boxFile).header}, want{at: 0, size: 8}
}

func (f *boxFile) tracker() *tracker                     { return &f.t }
func (f *boxFile) next(at int64, b []byte) (want, error) { return f.state(f, at, b) }

func (f *boxFile) header(at int64, b []byte) (want, error) {
	n := int64(binary.BigEndian.Uint32(b))
	f.kind = [4]byte(b[4:8])
	switch {
	case n == 0: // to the end of the file
		if len(f.parents) > 0 {
			return want{}, f.t.malformed("box %q within another has no length", f.kind[:])
		}
		f.end = math.MaxInt64
	case n == 1: // sixty-four bits follow
		f.state = (*boxFile).long
		return want{at: at + 8, size: 8}, nil
	case n < 8:
		return want{}, f.t.malformed("box %q of length %d", f.kind[:], n)
	default:
		f.end = at + n
	}
	return f.enter(at + 8)
}

func (f *boxFile) long(at int64, b []byte) (want, error) {
	n := binary.BigEndian.Uint64(b)
	if n < 16 || n > math.MaxInt64/2 {
		return want{}, f.t.malformed("box %q of length %d", f.kind[:], n)
	}
	f.end = at - 8 + int64(n)
	return f.enter(at + 8)
}

func (f *boxFile) enter(body int64) (want, error) {
	if n := len(f.parents); n > 0 && f.end > f.parents[n-1].end {
		return want{}, f.t.malformed("box %q is longer than the box around it", f.kind[:])
	}
	return f.content.enter(f, body)
}

// within returns the kind of the box around the current one; "" at the top.
func (f *boxFile) within() string {
	if n := len(f.parents); n > 0 {
		return string(f.parents[n-1].kind[:])
	}
	return ""
}

// into steps into the current box, whose first box is at offset at.
func (f *boxFile) into(at int64) (want, error) {
	f.parents = append(f.parents, parent{f.kind, f.end})
	return f.boxAt(at)
}

// over asks for the bytes after the current box.
func (f *boxFile) over() (want, error) { return f.boxAt(f.end) }

func (f *boxFile) boxAt(at int64) (want, error) {
	for n := len(f.parents); n > 0 && at > f.parents[n-1].end-8; n = len(f.parents) {
		p := f.parents[n-1]
		f.parents = f.parents[:n-1]
		at = p.end
		f.end = at
		if w, done, err := f.content.left(f, string(p.kind[:])); done || err != nil {
			return w, err
		}
	}
	if at == math.MaxInt64 {
		return want{}, nil
	}
	f.state = (*boxFile).header
	return want{at: at, size: 8}, nil
}

// read asks for size bytes at offset at, which must be in the current box.
func (f *boxFile) read(at int64, size int, state func(f *boxFile, at int64, b []byte) (want, error)) (want, error) {
	if at > f.end-int64(size) {
		return want{}, f.t.malformed("box %q is too short", f.kind[:])
	}
	f.state = state
	return want{at: at, size: size}, nil
}
