package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"

	"claimcheck.example/internal/imageinfo"
)

// errGIF means that the file's structure is broken.
var errGIF = errors.New("malformed GIF")

// decodeGIF decodes the first frame of a GIF file (CompuServe, 89a) at its place on the
// screen, which grows when the frame needs it. Like browsers, and unlike package
// image/gif, it skips unknown extensions and excess pixels.
func decodeGIF(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	if len(data) < 13 {
		return nil, io.ErrUnexpectedEOF
	}
	screen := image.Rect(0, 0, int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:])))
	b := data[13:]
	palette, b, err := gifPalette(data[10], b)
	if err != nil {
		return nil, err
	}
	clear := -1 // the transparent index
	for len(b) > 0 {
		switch b[0] {
		case 0x21:
			if len(b) >= 8 && b[1] == 0xf9 && b[2] >= 4 {
				if clear = -1; b[3]&1 != 0 {
					clear = int(b[6])
				}
			}
			if _, b, err = gifBlocks(b[min(2, len(b)):]); err != nil {
				return nil, err
			}
		case 0x2c:
			return gifFrame(ctx, b[1:], screen, palette, clear, info.Pixels)
		case 0: // a superfluous empty block
			b = b[1:]
		default:
			return nil, errGIF
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// gifPalette reads the palette whose presence and size flags have.
func gifPalette(flags byte, b []byte) (p color.Palette, rest []byte, err error) {
	if flags&0x80 == 0 {
		return nil, b, nil
	}
	n := 2 << (flags & 7)
	if len(b) < 3*n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	for i := range n {
		p = append(p, color.NRGBA{R: b[3*i], G: b[3*i+1], B: b[3*i+2], A: 0xff})
	}
	return p, b[3*n:], nil
}

// gifBlocks joins the blocks at the start of b.
func gifBlocks(b []byte) (joined, rest []byte, err error) {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 {
			return joined, b[1:], nil
		}
		if 1+n > len(b) {
			break
		}
		joined = append(joined, b[1:1+n]...)
		b = b[1+n:]
	}
	return joined, nil, io.ErrUnexpectedEOF
}

func gifFrame(ctx context.Context, b []byte, screen image.Rectangle, palette color.Palette, clear int, maxPixels int64) (image.Image, error) {
	if len(b) < 10 {
		return nil, io.ErrUnexpectedEOF
	}
	at := image.Pt(int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:])))
	frame := image.Rectangle{Min: at, Max: at.Add(image.Pt(int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))))}
	flags := b[8]
	own, b, err := gifPalette(flags, b[9:])
	if err != nil {
		return nil, err
	}
	if own != nil {
		palette = own
	}
	if frame.Empty() || int64(frame.Dx())*int64(frame.Dy()) > maxPixels || len(b) == 0 || b[0] < 1 || b[0] > 8 {
		return nil, errGIF
	}
	// Indices beyond the palette are opaque black.
	p := make(color.Palette, 256)
	for i := range p {
		p[i] = color.NRGBA{A: 0xff}
	}
	copy(p, palette)
	if clear >= 0 {
		p[clear] = color.NRGBA{}
	}
	m := image.NewPaletted(frame, p)
	// A stream that breaks off in its last block may still hold all pixels.
	codes, _, blocksErr := gifBlocks(b[1:])
	if n := gifUnpack(m.Pix, codes, uint(b[0])); n < len(m.Pix) {
		if blocksErr != nil {
			return nil, blocksErr
		}
		return nil, io.ErrUnexpectedEOF
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if flags&0x40 != 0 {
		m.Pix = gifInterlaced(m.Pix, m.Stride)
	}
	if canvas := screen.Union(image.Rectangle{Max: frame.Max}); frame != canvas {
		return &placed{Paletted: m, canvas: canvas}, nil
	}
	return m, nil
}

// placed is a frame on a larger canvas.
type placed struct {
	*image.Paletted
	canvas image.Rectangle
}

// gifInterlaced puts the rows of four passes in order.
func gifInterlaced(pix []byte, stride int) []byte {
	out := make([]byte, len(pix))
	from, h := 0, len(pix)/stride
	for _, pass := range [4]struct{ first, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass.first; y < h; y += pass.step {
			copy(out[y*stride:(y+1)*stride], pix[from:])
			from += stride
		}
	}
	return out
}

// gifUnpack decodes GIF's variant of LZW into dst, with codes of bits plus one at first,
// and returns the number of bytes it decoded.
func gifUnpack(dst, codes []byte, bits uint) int {
	const most = 1 << 12
	var prefix [most]uint16
	var suffix, first [most]byte
	var length [most]int32
	reset, end := 1<<bits, 1<<bits+1
	for i := range reset {
		suffix[i], first[i], length[i] = byte(i), byte(i), 1
	}
	next, width, last := end+1, bits+1, -1
	n := 0
	var acc uint32
	var have uint
	for _, c := range codes {
		for acc, have = acc|uint32(c)<<have, have+8; have >= width; {
			code := int(acc & (1<<width - 1))
			acc, have = acc>>width, have-width
			switch {
			case code == reset:
				next, width, last = end+1, bits+1, -1
				continue
			case code == end:
				return n
			case last < 0 && code > reset || code > next || code == next && last < 0:
				return n
			}
			if last >= 0 && next < most {
				prefix[next], first[next], length[next] = uint16(last), first[last], length[last]+1
				suffix[next] = first[code]
				if code == next {
					suffix[next] = first[last]
				}
				next++
				if next == 1<<width && width < 12 {
					width++
				}
			} else if code >= next {
				return n
			}
			l := int(length[code])
			for at, k := code, n+l-1; k >= n; k-- {
				if k < len(dst) {
					dst[k] = suffix[at]
				}
				at = int(prefix[at])
			}
			if n += l; n >= len(dst) {
				return len(dst)
			}
			last = code
		}
	}
	return n
}
