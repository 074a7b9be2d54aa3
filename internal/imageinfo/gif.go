package imageinfo

import "encoding/binary"

// gifFile parses the blocks of a GIF file (GIF89a specification, appendix B) to its
// trailer, and counts every image descriptor. The size is that of the screen, or of the
// first frame where that is larger.
type gifFile struct {
	t     tracker
	state func(g *gifFile, at int64, b []byte) (want, error)
	// width and height are those of the screen; a side of zero is that of the first frame.
	width, height int64
}

func newGIF(t tracker) (format, want) {
	return &gifFile{t: t, state: (*gifFile).screen}, want{at: 6, size: 7}
}

func (g *gifFile) tracker() *tracker                     { return &g.t }
func (g *gifFile) next(at int64, b []byte) (want, error) { return g.state(g, at, b) }

// colorTable returns the length in bytes of the table that follows a descriptor.
func colorTable(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func (g *gifFile) screen(at int64, b []byte) (want, error) {
	w, h := int64(binary.LittleEndian.Uint16(b)), int64(binary.LittleEndian.Uint16(b[2:]))
	g.width, g.height = w, h
	if w > 0 && h > 0 { // else the first frame states it
		if err := g.t.canvas(w, h); err != nil {
			return want{}, err
		}
	}
	return g.blockAt(at + int64(len(b)) + colorTable(b[4]))
}

func (g *gifFile) blockAt(at int64) (want, error) {
	g.state = (*gifFile).block
	return want{at: at, size: 1}, nil
}

func (g *gifFile) block(at int64, b []byte) (want, error) {
	switch {
	case b[0] == 0x21: // extension: a label, then sub-blocks
		return g.subBlocksAt(at + 2)
	case b[0] == 0x2c:
		g.state = (*gifFile).descriptor
		return want{at: at + 1, size: 9}, nil
	case b[0] == 0x3b && g.t.Frames > 0:
		g.t.Complete = true
		return want{}, nil
	case g.t.Frames > 0:
		// No decoder would read on here: it has its frames.
		return want{}, nil
	}
	return want{}, g.t.malformed("block %#x before the first frame", b[0])
}

func (g *gifFile) descriptor(at int64, b []byte) (want, error) {
	w, h := int64(binary.LittleEndian.Uint16(b[4:])), int64(binary.LittleEndian.Uint16(b[6:]))
	if w == 0 || h == 0 {
		return want{}, g.t.malformed("frame of %d x %d", w, h)
	}
	if g.t.Frames == 0 {
		// The first frame enlarges a screen that is too small for it, as in browsers.
		left, top := int64(binary.LittleEndian.Uint16(b)), int64(binary.LittleEndian.Uint16(b[2:]))
		if err := g.t.canvas(max(g.width, left+w), max(g.height, top+h)); err != nil {
			return want{}, err
		}
	}
	// A displayed frame covers the whole screen; a larger one has its own size.
	if screenW, screenH := int64(g.t.Width), int64(g.t.Height); w*h < screenW*screenH {
		w, h = screenW, screenH
	}
	if err := g.t.frame(w, h); err != nil {
		return want{}, err
	}
	return g.subBlocksAt(at + int64(len(b)) + colorTable(b[8]) + 1) // one byte for the LZW code size
}

func (g *gifFile) subBlocksAt(at int64) (want, error) {
	g.state = (*gifFile).subBlock
	return want{at: at, size: 1}, nil
}

func (g *gifFile) subBlock(at int64, b []byte) (want, error) {
	if b[0] == 0 {
		return g.blockAt(at + 1)
	}
	return want{at: at + 1 + int64(b[0]), size: 1}, nil
}
