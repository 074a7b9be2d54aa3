package imageinfo

// jxlFile reads the header of a JPEG XL codestream (ISO/IEC 18181-1), which may be alone
// or in boxes (18181-2), whole or in parts. The size is that of the picture as displayed,
// after the codestream's rotation. The frames of an animation are not counted: the header
// does not state their number.
type jxl struct {
	header [maxCodestreamHeader]byte
	n      int
	part   bool // the codestream comes in parts
}

// maxCodestreamHeader is enough for the fields up to those of the animation, 24 bytes at
// most.
const maxCodestreamHeader = 32

// newJXL begins with the codestream's signature or a box's header.
func newJXL(t tracker) (format, want) {
	c := &jxl{}
	f := &boxFile{t: t, content: c}
	f.state = func(f *boxFile, at int64, b []byte) (want, error) {
		if b[0] == 0xff && b[1] == 0x0a {
			f.end = 1 << 62
			return c.codestream(f, 0)
		}
		f.state = (*boxFile).header
		return want{at: 0, size: 8}, nil
	}
	return f, want{at: 0, size: 2}
}

func (c *jxl) enter(f *boxFile, body int64) (want, error) {
	switch string(f.kind[:]) {
	case "jxlc":
		if c.n > 0 {
			return want{}, f.t.malformed("a second codestream")
		}
		return c.codestream(f, body)
	case "jxlp": // a part, after its number
		c.part = true
		return c.codestream(f, body+4)
	}
	return f.over()
}

func (c *jxl) left(*boxFile, string) (want, bool, error) { return want{}, false, nil }

// codestream asks for the header's next byte at offset at.
func (c *jxl) codestream(f *boxFile, at int64) (want, error) {
	if at >= f.end {
		if !c.part {
			return want{}, f.t.malformed("its codestream ends before it says its size")
		}
		return f.over()
	}
	return f.read(at, 1, c.next)
}

func (c *jxl) next(f *boxFile, at int64, b []byte) (want, error) {
	c.header[c.n] = b[0]
	c.n++
	r := bits{b: c.header[:c.n]}
	if r.take(16) != 0x0aff && !r.short {
		return want{}, f.t.malformed("no codestream where one should begin")
	}
	width, height := r.size()
	orientation, animated := int64(1), false
	if allDefault := r.take(1) == 1; !allDefault && r.take(1) == 1 { // extra fields
		orientation = r.take(3) + 1
		if r.take(1) == 1 { // intrinsic size
			r.size()
		}
		if r.take(1) == 1 {
			r.preview()
		}
		animated = r.take(1) == 1
	}
	if r.short && c.n < maxCodestreamHeader {
		return c.codestream(f, at+1)
	}
	if orientation > 4 {
		width, height = height, width
	}
	f.t.settled, f.t.unknown = true, animated
	if err := f.t.canvas(width, height); err != nil {
		return want{}, err
	}
	return want{}, f.t.frame(width, height)
}

// bits reads numbers from the low end of each byte. Beyond the last byte it reads zeros
// and sets short.
type bits struct {
	b     []byte
	pos   int
	short bool
}

func (r *bits) take(n int) int64 {
	var v int64
	for i := range n {
		if r.pos/8 >= len(r.b) {
			r.short = true
			return v
		}
		v |= int64(r.b[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v
}

// distribution is one of four encodings of a number: that many bits, plus an offset.
type distribution [4]struct{ bits, offset int }

func (r *bits) number(d distribution) int64 {
	c := d[r.take(2)]
	return r.take(c.bits) + int64(c.offset)
}

// size reads a SizeHeader.
func (r *bits) size() (width, height int64) {
	if r.take(1) == 1 { // multiples of eight
		return r.sides(func() int64 { return (r.take(5) + 1) * 8 })
	}
	return r.sides(func() int64 { return r.number(distribution{{9, 1}, {13, 1}, {18, 1}, {30, 1}}) })
}

// preview reads a PreviewHeader.
func (r *bits) preview() {
	if r.take(1) == 1 {
		r.sides(func() int64 { return r.number(distribution{{0, 16}, {0, 32}, {5, 1}, {9, 33}}) })
		return
	}
	r.sides(func() int64 { return r.number(distribution{{6, 1}, {8, 65}, {10, 321}, {12, 1345}}) })
}

// sides reads a height, and a width unless one of the usual ratios gives it.
func (r *bits) sides(side func() int64) (width, height int64) {
	height = side()
	ratios := [8][2]int64{1: {1, 1}, 2: {12, 10}, 3: {4, 3}, 4: {3, 2}, 5: {16, 9}, 6: {5, 4}, 7: {2, 1}}
	if ratio := ratios[r.take(3)]; ratio[0] != 0 {
		return height * ratio[0] / ratio[1], height
	}
	return side(), height
}
