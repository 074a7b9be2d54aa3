package imageinfo

import (
	"encoding/binary"
	"math"
)

// boxFile walks the boxes of an ISO base media file (ISO/IEC 14496-12) to the sizes
// in it: the image properties of HEIF (ISO/IEC 23008-12), HEIC and AVIF, and the
// codestream's header in JPEG XL (ISO/IEC 18181), which may also stand alone.
//
// Of the sizes stated in a HEIF file, tiles and thumbnails among them, the largest is
// taken for the picture's. Sequences and animations are not counted: their pixels stay
// unknown.
type boxFile struct {
	t     tally
	state func(f *boxFile, at int64, b []byte) (want, error)
	end   int64 // of the current box
}

// codestreamSize is enough for JPEG XL's signature and size, 2 + 9 bytes.
const codestreamSize = 11

func newBoxes(t tally) (format, want) {
	f := &boxFile{t: t, state: (*boxFile).first}
	return f, want{at: 0, size: codestreamSize}
}

func (f *boxFile) tally() *tally                         { return &f.t }
func (f *boxFile) next(at int64, b []byte) (want, error) { return f.state(f, at, b) }

func (f *boxFile) first(at int64, b []byte) (want, error) {
	if b[0] == 0xff && b[1] == 0x0a {
		return f.codestream(at, b)
	}
	return f.boxAt(0)
}

func (f *boxFile) boxAt(at int64) (want, error) {
	f.state = (*boxFile).box
	return want{at: at, size: 8}, nil
}

func (f *boxFile) box(at int64, b []byte) (want, error) {
	n := int64(binary.BigEndian.Uint32(b))
	switch {
	case n == 0: // to the end of the file
		f.end = math.MaxInt64
	case n == 1: // sixty-four bits follow
		if kind := string(b[4:8]); kind != "mdat" && kind != "free" && kind != "jxlc" {
			return want{}, f.t.malformed("box %q with a long length", kind)
		}
		f.state = (*boxFile).long
		return want{at: at + 8, size: 8}, nil
	case n < 8:
		return want{}, f.t.malformed("box %q of length %d", b[4:8], n)
	default:
		f.end = at + n
	}
	switch string(b[4:8]) {
	case "meta":
		return f.boxAt(at + 8 + 4) // version and flags, then boxes
	case "iprp", "ipco":
		return f.boxAt(at + 8)
	case "ispe":
		f.state = (*boxFile).extent
		return want{at: at + 8, size: 4 + 8}, nil
	case "moov":
		f.t.unknown = true
	case "jxlc":
		f.state = (*boxFile).codestream
		return want{at: at + 8, size: codestreamSize}, nil
	case "jxlp": // a part, numbered; the first begins the codestream
		if f.t.Width == 0 {
			f.state = (*boxFile).codestream
			return want{at: at + 8 + 4, size: codestreamSize}, nil
		}
	}
	return f.skip()
}

func (f *boxFile) long(at int64, b []byte) (want, error) {
	n := binary.BigEndian.Uint64(b)
	if n < 16 || n > math.MaxInt64/2 {
		return want{}, f.t.malformed("box of length %d", n)
	}
	f.end = at - 8 + int64(n)
	return f.skip()
}

func (f *boxFile) skip() (want, error) {
	if f.end == math.MaxInt64 {
		return want{}, nil
	}
	return f.boxAt(f.end)
}

func (f *boxFile) extent(_ int64, b []byte) (want, error) {
	w, h := int64(binary.BigEndian.Uint32(b[4:])), int64(binary.BigEndian.Uint32(b[8:]))
	if err := f.picture(w, h); err != nil {
		return want{}, err
	}
	return f.skip()
}

// picture takes a size for the picture's if it is the largest so far.
func (f *boxFile) picture(w, h int64) error {
	if w == 0 || h == 0 {
		return f.t.malformed("size %d x %d", w, h)
	}
	if w <= math.MaxInt32 && h <= math.MaxInt32 && w*h <= f.t.Pixels {
		return nil
	}
	if err := f.t.canvas(w, h); err != nil {
		return err
	}
	f.t.Frames, f.t.Pixels = 1, w*h
	return nil
}

// codestream reads the SizeHeader of a JPEG XL codestream.
func (f *boxFile) codestream(_ int64, b []byte) (want, error) {
	if b[0] != 0xff || b[1] != 0x0a {
		return want{}, f.t.malformed("no codestream where one should begin")
	}
	r := bits{b: b[2:]}
	small := r.take(1) == 1
	side := func() int64 {
		if small {
			return (r.take(5) + 1) * 8
		}
		return r.take([4]int{9, 13, 18, 30}[r.take(2)]) + 1
	}
	h := side()
	// Aspect ratios that spare the width.
	ratios := [8][2]int64{1: {1, 1}, 2: {12, 10}, 3: {4, 3}, 4: {3, 2}, 5: {16, 9}, 6: {5, 4}, 7: {2, 1}}
	var w int64
	if ratio := ratios[r.take(3)]; ratio[0] == 0 {
		w = side()
	} else {
		w = h * ratio[0] / ratio[1]
	}
	// One frame or a thousand: the header does not say.
	f.t.unknown = true
	return want{}, f.picture(w, h)
}

// bits reads numbers from the low end of each byte on.
type bits struct {
	b   []byte
	pos int
}

func (r *bits) take(n int) int64 {
	var v int64
	for i := range n {
		v |= int64(r.b[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v
}
