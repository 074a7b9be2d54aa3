package imageinfo

import (
	"encoding/binary"
	"math"
	"slices"
)

// maxProperties bounds the properties that are kept of one file: one per tile of a
// picture of 45 x 45 tiles, and some more.
const maxProperties = 2048

// heif reads the header of a HEIF file (ISO/IEC 23008-12; HEIC and AVIF). The size is
// that of the primary item as displayed: its ispe property, cropped by clap, turned by
// irot. Tiles, thumbnails, gain maps and alpha planes are not counted, but none of them
// may be over the limit by itself. EXIF's orientation has no effect in HEIF.
//
// Of a sequence (a moov box, in files of such a brand) every sample of the first track of
// pictures counts as a frame of that size.
type heif struct {
	sequence bool

	primary    uint32 // the primary item, once hasPrimary
	hasPrimary bool
	properties []property
	index      int    // of the current property, from 1 on
	overflow   bool   // there are more properties than are kept
	listed     bool   // all properties and associations have been read
	uses       []byte // the primary item's associations, of two bytes each

	early   int64  // offset of associations before the primary item; 0: none
	entries uint32 // associations still to be read
	wide    bool   // items have 32 bits
	long    bool   // property indices have 15 bits

	track struct {
		pictures      bool
		width, height int64
		samples       int64
	}
	counted bool  // a track of pictures was counted
	samples int64 // its samples
}

// property is an item property that affects the size.
type property struct {
	index         uint16
	kind          propertyKind
	width, height uint32 // of extent and crop
}

type propertyKind uint8

const (
	extent propertyKind = iota
	crop
	quarterTurn // a turn by 90 or 270 degrees
)

func (h *heif) enter(f *boxFile, body int64) (want, error) {
	switch f.within() + string(f.kind[:]) {
	case "ftyp":
		return f.read(body, int(min(f.end-body, HeadSize)), h.brands)
	case "meta":
		if h.listed || h.hasPrimary { // only the first one counts
			return f.over()
		}
		return f.into(body + 4)
	case "metapitm":
		if f.end-body >= 8 {
			return f.read(body, 8, h.primaryItem)
		}
		return f.read(body, 6, h.primaryItem)
	case "metaiprp", "trakmdia", "mdiaminf", "minfstbl":
		return f.into(body)
	case "moovtrak":
		h.track.pictures, h.track.samples = false, 0
		return f.into(body)
	case "iprpipco":
		h.index = 0
		return f.into(body)
	case "iprpipma":
		return f.read(body, 8, h.associations)
	case "moov":
		if !h.sequence {
			return f.over()
		}
		return f.into(body)
	case "moovmvex": // samples follow in fragments
		f.t.unknown = true
	case "mdiahdlr":
		return f.read(body, 12, h.handler)
	case "stblstsd":
		return f.read(body, 44, h.sampleEntry)
	case "stblstsz", "stblstz2":
		return f.read(body, 12, h.sampleCount)
	}
	if f.within() == "ipco" {
		return h.property(f, body)
	}
	return f.over()
}

func (h *heif) left(f *boxFile, kind string) (w want, done bool, err error) {
	switch {
	case kind == "iprp" && !h.listed:
		h.listed = true
		if h.hasPrimary {
			err = h.resolve(f)
			return want{}, !h.sequence, err
		}
	case kind == "trak":
		err = h.countTrack(f)
	}
	return want{}, false, err
}

func (h *heif) brands(f *boxFile, _ int64, b []byte) (want, error) {
	for ; len(b) >= 4; b = b[4:] {
		switch string(b[:4]) {
		case "msf1", "hevc", "hevx", "hevm", "hevs", "avis":
			h.sequence = true
		}
	}
	return f.over()
}

func (h *heif) primaryItem(f *boxFile, _ int64, b []byte) (want, error) {
	h.primary = uint32(binary.BigEndian.Uint16(b[4:]))
	if b[0] > 0 {
		if len(b) < 8 {
			return want{}, f.t.malformed("box %q is too short", f.kind[:])
		}
		h.primary = binary.BigEndian.Uint32(b[4:])
	}
	h.hasPrimary = true
	if !h.listed {
		return f.over()
	}
	if h.early != 0 {
		f.state = h.associations
		return want{at: h.early, size: 8}, nil
	}
	return h.finish(f)
}

// finish determines the size, and asks for the next bytes.
func (h *heif) finish(f *boxFile) (want, error) {
	if err := h.resolve(f); err != nil || !h.sequence {
		return want{}, err
	}
	return f.over()
}

// property reads a property that affects the size, and skips others.
func (h *heif) property(f *boxFile, body int64) (want, error) {
	if h.index++; h.index > math.MaxInt16 {
		return want{}, f.t.malformed("more than %d properties", math.MaxInt16)
	}
	switch string(f.kind[:]) {
	case "ispe":
		return f.read(body, 12, h.extent)
	case "clap":
		return f.read(body, 32, h.crop)
	case "irot":
		return f.read(body, 1, h.turn)
	}
	return f.over()
}

func (h *heif) keep(f *boxFile, kind propertyKind, width, height uint32) (want, error) {
	if len(h.properties) < maxProperties {
		h.properties = append(h.properties, property{uint16(h.index), kind, width, height})
	} else {
		h.overflow = true
	}
	return f.over()
}

func (h *heif) extent(f *boxFile, _ int64, b []byte) (want, error) {
	width, height := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	// A decoder may have to decode any of them, for instance a tile.
	if err := f.t.fits(int64(width), int64(height)); err != nil {
		return want{}, err
	}
	return h.keep(f, extent, width, height)
}

func (h *heif) crop(f *boxFile, _ int64, b []byte) (want, error) {
	var sides [2]uint32
	for i := range sides {
		n, d := uint64(binary.BigEndian.Uint32(b[8*i:])), uint64(binary.BigEndian.Uint32(b[8*i+4:]))
		if d == 0 {
			return want{}, f.t.malformed("a crop to a size divided by zero")
		}
		sides[i] = uint32(min((n+d/2)/d, math.MaxUint32))
	}
	return h.keep(f, crop, sides[0], sides[1])
}

func (h *heif) turn(f *boxFile, _ int64, b []byte) (want, error) {
	if b[0]&1 == 0 {
		return f.over()
	}
	return h.keep(f, quarterTurn, 0, 0)
}

func (h *heif) associations(f *boxFile, at int64, b []byte) (want, error) {
	if !h.hasPrimary {
		if h.early == 0 {
			h.early = at
		}
		return f.over()
	}
	h.wide, h.long = b[0] > 0, b[3]&1 != 0
	h.entries = binary.BigEndian.Uint32(b[4:])
	return h.association(f, at+8)
}

// association asks for the header of the next association: an item, and a count of
// properties.
func (h *heif) association(f *boxFile, at int64) (want, error) {
	if h.entries == 0 {
		if h.early != 0 {
			h.early = 0
			return h.finish(f)
		}
		return f.over()
	}
	h.entries--
	size := 3
	if h.wide {
		size = 5
	}
	if h.early != 0 { // read again: the current box is another one
		f.state = h.item
		return want{at: at, size: size}, nil
	}
	return f.read(at, size, h.item)
}

func (h *heif) item(f *boxFile, at int64, b []byte) (want, error) {
	var id uint32
	for _, c := range b[:len(b)-1] {
		id = id<<8 | uint32(c)
	}
	count := int(b[len(b)-1])
	size := count
	if h.long {
		size = 2 * count
	}
	at += int64(len(b))
	if id != h.primary || size == 0 || h.uses != nil {
		return h.association(f, at+int64(size))
	}
	f.state = h.use
	return want{at: at, size: size}, nil
}

func (h *heif) use(f *boxFile, at int64, b []byte) (want, error) {
	h.uses = make([]byte, 0, 2*len(b))
	if h.long {
		h.uses = append(h.uses, b...)
	} else {
		for _, c := range b {
			h.uses = append(h.uses, 0, c&0x7f)
		}
	}
	return h.association(f, at+int64(len(b)))
}

// resolve determines the size of the primary item.
func (h *heif) resolve(f *boxFile) error {
	var width, height int64
	for p := range h.used {
		if p.kind == extent && width == 0 {
			width, height = int64(p.width), int64(p.height)
		}
	}
	if width == 0 {
		switch {
		case h.overflow:
			f.t.unknown = true
			return nil
		case h.sequence: // a track may say
			return nil
		}
		return f.t.malformed("its primary picture has no size")
	}
	for p := range h.used { // in their order
		switch p.kind {
		case crop:
			width, height = min(width, int64(p.width)), min(height, int64(p.height))
		case quarterTurn:
			width, height = height, width
		}
	}
	if err := f.t.canvas(width, height); err != nil {
		return err
	}
	f.t.settled = !h.sequence
	if h.counted { // by an earlier track
		return h.countFrames(f)
	}
	return f.t.frame(width, height)
}

// used yields the properties of the primary item in order.
func (h *heif) used(yield func(property) bool) {
	for b := h.uses; len(b) >= 2; b = b[2:] {
		index := binary.BigEndian.Uint16(b) & 0x7fff
		i := slices.IndexFunc(h.properties, func(p property) bool { return p.index == index })
		if i >= 0 && !yield(h.properties[i]) {
			return
		}
	}
}

func (h *heif) handler(f *boxFile, _ int64, b []byte) (want, error) {
	kind := string(b[8:12])
	h.track.pictures = kind == "pict" || kind == "vide"
	return f.over()
}

func (h *heif) sampleEntry(f *boxFile, _ int64, b []byte) (want, error) {
	h.track.width, h.track.height = int64(binary.BigEndian.Uint16(b[40:])), int64(binary.BigEndian.Uint16(b[42:]))
	return f.over()
}

func (h *heif) sampleCount(f *boxFile, _ int64, b []byte) (want, error) {
	h.track.samples = int64(binary.BigEndian.Uint32(b[8:]))
	return f.over()
}

// countTrack counts the samples of the first track of pictures as frames.
func (h *heif) countTrack(f *boxFile) error {
	if !h.track.pictures || h.counted {
		return nil
	}
	h.counted, f.t.settled = true, true
	h.samples = h.track.samples
	if f.t.Width == 0 {
		if err := f.t.canvas(h.track.width, h.track.height); err != nil {
			return err
		}
	}
	return h.countFrames(f)
}

// countFrames records a number of frames of the stated size.
func (h *heif) countFrames(f *boxFile) error {
	if h.samples == 0 {
		f.t.unknown = true
		return nil
	}
	f.t.Frames, f.t.Pixels = int(h.samples), 0
	width, height, pixels := int64(f.t.Width), int64(f.t.Height), int64(math.MaxInt64)
	if h.samples <= pixels/(width*height) {
		pixels = h.samples * width * height
	}
	return f.t.pixels(width, height, pixels)
}
