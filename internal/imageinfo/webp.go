package imageinfo

import "encoding/binary"

// webpFile parses the chunks of a WebP file (RFC 9649). It checks the sizes in the
// bitstreams as well as that of the canvas: decoders use those of the bitstream.
type webpFile struct {
	t     tracker
	state func(w *webpFile, at int64, b []byte) (want, error)
	size  int64 // of the RIFF file
	seen  int64 // offset after the last byte received
	end   int64 // end of the current chunk, including padding
	// frameEnd is the end of the current animation frame; zero outside of one. frameW and
	// frameH are its size.
	frameEnd       int64
	frameW, frameH int64
	extended       bool // VP8X was seen: its canvas is the size
	animated       bool
}

func newWebP(t tracker) (format, want) {
	return &webpFile{t: t, state: (*webpFile).riff}, want{at: 4, size: 8}
}

func (w *webpFile) tracker() *tracker { return &w.t }

func (w *webpFile) next(at int64, b []byte) (want, error) {
	w.seen = at + int64(len(b))
	return w.state(w, at, b)
}

func (w *webpFile) riff(at int64, b []byte) (want, error) {
	w.size = 8 + int64(binary.LittleEndian.Uint32(b))
	return w.chunkAt(12)
}

func (w *webpFile) chunkAt(at int64) (want, error) {
	if w.frameEnd != 0 && at >= w.frameEnd {
		w.frameEnd = 0
	}
	if at >= w.size {
		if w.t.Width == 0 {
			return want{}, w.t.malformed("it ends before it says its size")
		}
		w.state = (*webpFile).last
		if w.seen < w.size {
			return want{at: w.size - 1, size: 1}, nil
		}
		return w.last(0, nil)
	}
	w.state = (*webpFile).chunk
	return want{at: at, size: 8}, nil
}

// last handles the last byte.
func (w *webpFile) last(int64, []byte) (want, error) {
	w.t.Complete = w.t.Frames > 0
	return want{}, nil
}

func (w *webpFile) chunk(at int64, b []byte) (want, error) {
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	w.end = at + 8 + n + n&1
	if w.frameEnd != 0 && w.end > w.frameEnd {
		return want{}, w.t.malformed("chunk %q of length %d leaves its frame", b[:4], n)
	}
	var state func(*webpFile, int64, []byte) (want, error)
	var need int64
	switch string(b[:4]) {
	case "VP8X":
		state, need = (*webpFile).vp8x, 10
	case "VP8 ":
		state, need = (*webpFile).vp8, 10
	case "VP8L":
		state, need = (*webpFile).vp8l, 5
	case "ANMF":
		if w.frameEnd != 0 {
			return want{}, w.t.malformed("a frame within a frame")
		}
		state, need = (*webpFile).anmf, 16
	case "EXIF":
		if 0 < n && n <= maxWant && w.t.Orientation == 0 {
			state, need = (*webpFile).exif, n
		}
	}
	if state == nil {
		return w.chunkAt(w.end)
	}
	if n < need {
		return want{}, w.t.malformed("chunk %q of length %d", b[:4], n)
	}
	w.state = state
	return want{at: at + 8, size: int(need)}, nil
}

func uint24(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }

func (w *webpFile) vp8x(_ int64, b []byte) (want, error) {
	if w.t.Width != 0 {
		return want{}, w.t.malformed("a canvas after the picture")
	}
	w.extended = true
	w.animated = b[0]&0x02 != 0
	if err := w.t.canvas(uint24(b[4:])+1, uint24(b[7:])+1); err != nil {
		return want{}, err
	}
	return w.chunkAt(w.end)
}

func (w *webpFile) anmf(at int64, b []byte) (want, error) {
	if !w.extended {
		return want{}, w.t.malformed("a frame without a canvas")
	}
	w.frameEnd = w.end
	w.frameW, w.frameH = uint24(b[6:])+1, uint24(b[9:])+1
	if err := w.t.frame(int64(w.t.Width), int64(w.t.Height)); err != nil {
		return want{}, err
	}
	return w.chunkAt(at + int64(len(b)))
}

func (w *webpFile) vp8(_ int64, b []byte) (want, error) {
	if b[0]&1 != 0 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return want{}, w.t.malformed("VP8 without a key frame")
	}
	return w.bitstream(int64(binary.LittleEndian.Uint16(b[6:])&0x3fff), int64(binary.LittleEndian.Uint16(b[8:])&0x3fff))
}

func (w *webpFile) vp8l(_ int64, b []byte) (want, error) {
	if b[0] != 0x2f {
		return want{}, w.t.malformed("VP8L without its signature")
	}
	bits := int64(binary.LittleEndian.Uint32(b[1:]))
	return w.bitstream(bits&0x3fff+1, bits>>14&0x3fff+1)
}

// bitstream compares the size in a bitstream with the announced one.
func (w *webpFile) bitstream(width, height int64) (want, error) {
	switch {
	case w.frameEnd != 0:
		if width != w.frameW || height != w.frameH {
			return want{}, w.t.malformed("frame of %d x %d holds %d x %d", w.frameW, w.frameH, width, height)
		}
	case w.t.Frames > 0:
		return want{}, w.t.malformed("a second picture")
	case w.animated:
		// A picture beside an animation is not displayed.
	default:
		if w.extended && (width != int64(w.t.Width) || height != int64(w.t.Height)) {
			return want{}, w.t.malformed("canvas of %d x %d holds %d x %d", w.t.Width, w.t.Height, width, height)
		}
		if err := w.t.canvas(width, height); err != nil {
			return want{}, err
		}
		if err := w.t.frame(width, height); err != nil {
			return want{}, err
		}
	}
	return w.chunkAt(w.end)
}

func (w *webpFile) exif(_ int64, b []byte) (want, error) {
	// Some writers put JPEG's prefix before the TIFF structure.
	if len(b) > 6 && string(b[:6]) == "Exif\x00\x00" {
		b = b[6:]
	}
	w.t.Orientation = exifOrientation(b)
	return w.chunkAt(w.end)
}
