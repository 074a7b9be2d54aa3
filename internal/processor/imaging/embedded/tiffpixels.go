package embedded

import (
	"compress/zlib"
	"context"
	"image"
	"image/color"
	"io"
	"math/bits"

	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"
)

// decode decodes the blocks into one image.
func (f *tiffFile) decode(ctx context.Context) (image.Image, error) {
	out := f.newPixels()
	across, down := (f.w+f.blockW-1)/f.blockW, (f.h+f.blockH-1)/f.blockH
	planes, samples := 1, f.samples
	if f.planar {
		planes, samples = f.samples, 1
	}
	if len(f.offsets) < across*down*planes || len(f.counts) < across*down*planes {
		return nil, errTIFF
	}
	stride := (f.blockW*samples*f.bits + 7) / 8
	block := make([]byte, stride*f.blockH)
	for i := range across * down * planes {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		plane, place := i/(across*down), i%(across*down)
		x0, y0 := place%across*f.blockW, place/across*f.blockH
		rows := min(f.blockH, f.h-y0)
		b := block[:stride*rows]
		if err := f.unpack(ctx, i, b); err != nil {
			return nil, err
		}
		for y := range rows {
			row := b[y*stride : (y+1)*stride]
			if f.predictor {
				f.unpredict(row, samples)
			}
			for x := range min(f.blockW, f.w-x0) {
				for s := range samples {
					out.set(x0+x, y0+y, plane+s, f.sample(row, x*samples+s))
				}
			}
		}
	}
	return out.image(f), nil
}

// unpack decompresses block i and fills dst.
func (f *tiffFile) unpack(ctx context.Context, i int, dst []byte) error {
	at := f.offsets[i]
	if at > uint64(len(f.data)) {
		return io.ErrUnexpectedEOF
	}
	src := f.data[at : at+min(f.counts[i], uint64(len(f.data))-at)]
	if f.first(tagFillOrder, 1) == 2 {
		turned := make([]byte, len(src))
		for i, b := range src {
			turned[i] = bits.Reverse8(b)
		}
		src = turned
	}
	var r io.Reader
	switch f.compression {
	case 1:
		if copy(dst, src) < len(dst) {
			return io.ErrUnexpectedEOF
		}
		return nil
	case 32773:
		return unpackBits(dst, src)
	case 5:
		if len(src) >= 2 && src[0] == 0 && src[1]&1 != 0 {
			return unread("TIFF", "LZW of before TIFF 5.0")
		}
		r = lzw.NewReader(reader(ctx, src), lzw.MSB, 8)
	case 8, 32946:
		z, err := zlib.NewReader(reader(ctx, src))
		if err != nil {
			return err
		}
		r = z
	default:
		kind := ccitt.Group3
		if f.compression == 4 {
			kind = ccitt.Group4
		}
		rows := len(dst) * 8 / ((f.blockW + 7) / 8 * 8)
		r = ccitt.NewReader(reader(ctx, src), ccitt.MSB, kind, f.blockW, rows, &ccitt.Options{Invert: true})
	}
	_, err := io.ReadFull(r, dst)
	if err != nil && f.compression == 3 && context.Cause(ctx) == nil {
		return unread("TIFF", "Group 3 fax") // of another form, or damaged
	}
	return err
}

func unpackBits(dst, src []byte) error {
	for len(dst) > 0 {
		if len(src) < 2 {
			return io.ErrUnexpectedEOF
		}
		switch n := int(int8(src[0])); {
		case n == -128:
			src = src[1:]
		case n < 0:
			n = min(1-n, len(dst))
			for i := range n {
				dst[i] = src[1]
			}
			dst, src = dst[n:], src[2:]
		default:
			if len(src) < n+2 && len(dst) > len(src)-1 {
				return io.ErrUnexpectedEOF
			}
			done := copy(dst, src[1:min(n+2, len(src))])
			dst, src = dst[done:], src[min(n+2, len(src)):]
		}
	}
	return nil
}

// unpredict adds to each sample the previous one of its channel.
func (f *tiffFile) unpredict(row []byte, samples int) {
	if f.bits == 8 {
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
		return
	}
	for i := 2 * samples; i+1 < len(row); i += 2 {
		f.order.PutUint16(row[i:], f.order.Uint16(row[i:])+f.order.Uint16(row[i-2*samples:]))
	}
}

// sample returns sample i of a row.
func (f *tiffFile) sample(row []byte, i int) uint16 {
	switch f.bits {
	case 8:
		return uint16(row[i])
	case 16:
		return f.order.Uint16(row[2*i:])
	}
	at := i * f.bits
	return uint16(row[at/8]>>(8-f.bits-at%8)) & (1<<f.bits - 1)
}

// tiffPixels is an unfinished image: of one channel or, with colour or transparency,
// four.
type tiffPixels struct {
	w        int
	channels int
	deep     bool // 16 bits, in pairs of bytes, the high one first
	gray     bool
	colours  int // samples before alpha
	invert   bool
	factor   uint16 // scales a gray sample to 8 bits
	pix      []byte
}

func (f *tiffFile) newPixels() *tiffPixels {
	p := &tiffPixels{w: f.w, channels: 1, deep: f.bits == 16, gray: true, colours: 1, invert: f.photometric == 0, factor: 1}
	if f.photometric == 2 {
		p.gray, p.colours = false, 3
	}
	if f.bits < 8 && f.photometric != 3 {
		p.factor = 0xff / (1<<f.bits - 1)
	}
	if !p.gray || f.alpha != opaque {
		p.channels = 4
	}
	size := f.w * f.h * p.channels
	if p.deep {
		size *= 2
	}
	p.pix = make([]byte, size)
	if p.channels == 4 && f.alpha == opaque {
		step := size / (f.w * f.h)
		for i := step - step/4; i < size; i += step {
			p.pix[i] = 0xff
			if p.deep {
				p.pix[i+1] = 0xff
			}
		}
	}
	return p
}

// set stores sample s of a pixel.
func (p *tiffPixels) set(x, y, s int, v uint16) {
	alpha := s == p.colours
	if v *= p.factor; p.invert && !alpha {
		v = ^v
	}
	at := (y*p.w + x) * p.channels
	from, to := s, s+1
	switch {
	case alpha:
		from, to = 3, 4
	case p.gray && p.channels == 4:
		to = 3
	}
	for c := at + from; c < at+to; c++ {
		if p.deep {
			p.pix[2*c], p.pix[2*c+1] = uint8(v>>8), uint8(v)
		} else {
			p.pix[c] = uint8(v)
		}
	}
}

func (p *tiffPixels) image(f *tiffFile) image.Image {
	r := image.Rect(0, 0, f.w, f.h)
	switch {
	case f.photometric == 3:
		m := &image.Paletted{Pix: p.pix, Stride: f.w, Rect: r}
		table := f.tags[tagColorMap]
		n := len(table) / 3
		for i := range n {
			m.Palette = append(m.Palette, color.NRGBA64{R: uint16(table[i]), G: uint16(table[n+i]), B: uint16(table[2*n+i]), A: 0xffff})
		}
		return m
	case p.channels == 1 && p.deep:
		return &image.Gray16{Pix: p.pix, Stride: 2 * f.w, Rect: r}
	case p.channels == 1:
		return &image.Gray{Pix: p.pix, Stride: f.w, Rect: r}
	case f.alpha == premultiplied && p.deep:
		return &image.RGBA64{Pix: p.pix, Stride: 8 * f.w, Rect: r}
	case f.alpha == premultiplied || f.alpha == opaque && !p.deep:
		return &image.RGBA{Pix: p.pix, Stride: 4 * f.w, Rect: r}
	case p.deep:
		return &image.NRGBA64{Pix: p.pix, Stride: 8 * f.w, Rect: r}
	}
	return &image.NRGBA{Pix: p.pix, Stride: 4 * f.w, Rect: r}
}
