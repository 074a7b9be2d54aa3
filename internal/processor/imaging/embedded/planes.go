package embedded

import (
	"context"
	"encoding/binary"
	"image"
	"math"
)

// planes are the samples of an opaque picture of 8 bits a channel as its decoder left
// them: gray, or red, green and blue, or luma and two chromas. Each plane is resampled by
// itself, so that a smaller picture needs fewer colour conversions, and subsampled planes
// cost less.
type planes struct {
	parts []plane
	// rgb converts one sample of each plane to colours of 0 to 255; nil where the samples
	// are colours.
	rgb func(a, b, c float32) (r, g, bl float32)
}

// plane is one plane. The sample (x, y) is at pix[y*stride + x*step].
type plane struct {
	pix          []uint8
	stride, step int
	w, h         int
	across, down int // pixels of the picture that share a sample
}

// planesOf returns the planes of an image that begins at the origin; nil when it has
// none.
func planesOf(m image.Image) *planes {
	interleaved := func(pix []uint8, stride int, r image.Rectangle) *planes {
		p := &planes{}
		for c := range 3 {
			p.parts = append(p.parts, plane{pix[c:], stride, 4, r.Dx(), r.Dy(), 1, 1})
		}
		return p
	}
	if m.Bounds().Min != (image.Point{}) || m.Bounds().Empty() {
		return nil
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.Gray:
		return &planes{parts: []plane{{m.Pix, m.Stride, 1, w, h, 1, 1}}}
	case *image.YCbCr:
		across, down := subsampling(m.SubsampleRatio)
		cw, ch := (w+across-1)/across, (h+down-1)/down
		return &planes{
			parts: []plane{{m.Y, m.YStride, 1, w, h, 1, 1}, {m.Cb, m.CStride, 1, cw, ch, across, down}, {m.Cr, m.CStride, 1, cw, ch, across, down}},
			rgb: func(y, cb, cr float32) (r, g, b float32) { // JFIF
				return y + 1.402*(cr-128), y - 0.344136*(cb-128) - 0.714136*(cr-128), y + 1.772*(cb-128)
			},
		}
	case *studioImage:
		if p := planesOf(&m.YCbCr); m.opaque && p != nil {
			p.rgb = studioRGB
			return p
		}
	case *image.RGBA:
		if m.Opaque() {
			return interleaved(m.Pix, m.Stride, m.Rect)
		}
	case *image.NRGBA:
		if m.Opaque() {
			return interleaved(m.Pix, m.Stride, m.Rect)
		}
	}
	return nil
}

// subsampling returns the number of pixels across and down that share a chroma sample.
func subsampling(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// resample returns the part of the planes inside r, in another size.
func (p *planes) resample(ctx context.Context, r image.Rectangle, w, h int) (*raster, error) {
	rows := make([]*planeRows, len(p.parts))
	for i, part := range p.parts {
		rows[i] = part.rows(r, w, h)
	}
	out := newRaster(w, h, false)
	for y := range h {
		var samples [3][]float32
		for i, s := range rows {
			row, err := s.next(ctx)
			if err != nil {
				return nil, err
			}
			samples[i] = row
		}
		dst := out.shades[4*w*y : 4*w*(y+1)]
		if len(rows) == 1 {
			for x, v := range samples[0] {
				s := byteOf(v)
				dst[4*x], dst[4*x+1], dst[4*x+2], dst[4*x+3] = s, s, s, 0xff
			}
			continue
		}
		for x := range w {
			a, b, c := samples[0][x], samples[1][x], samples[2][x]
			if p.rgb != nil {
				a, b, c = p.rgb(a, b, c)
			}
			dst[4*x], dst[4*x+1], dst[4*x+2], dst[4*x+3] = byteOf(a), byteOf(b), byteOf(c), 0xff
		}
	}
	return out, nil
}

// byteOf rounds a sample of 0 to 255.
func byteOf(v float32) uint8 {
	if !(v > 0) {
		return 0
	}
	return uint8(min(v, 255) + 0.5)
}

// planeRows makes the rows of a resampled plane, from the top. For a much smaller result
// it first takes means of a few samples across and down, so that at least two means make
// one sample of the result along each side, as libvips does.
type planeRows struct {
	part         plane
	x0, y0       int // the sample where the first mean begins
	boxW, boxH   int // samples of a mean
	across, down kernel

	means      []float32
	columns    columns
	narrowed   []float32
	unfinished [][]float32 // row y of the result is at y % len
	source     int         // the next row of means
	top, begun int         // rows of the result: the next one, and those begun
}

// rows prepares the rows of the part of the plane that shows r of the picture.
func (p plane) rows(r image.Rectangle, w, h int) *planeRows {
	s := &planeRows{part: p}
	var nx int
	s.x0, s.boxW, nx, s.across = means(p.w, p.across, r.Min.X, r.Dx(), w)
	s.y0, s.boxH, _, s.down = means(p.h, p.down, r.Min.Y, r.Dy(), h)
	s.means, s.narrowed = make([]float32, nx), make([]float32, w)
	s.unfinished = make([][]float32, s.down.overlap()+1)
	for i := range s.unfinished {
		s.unfinished[i] = make([]float32, w)
	}
	return s
}

// means lays out one side of a plane of n samples, each for that many pixels: the ones
// from the pixel at on become m.
func means(n, pixels, at, extent, m int) (first, box, count int, k kernel) {
	from, length := float64(at)/float64(pixels), float64(extent)/float64(pixels)
	scale := length / float64(m)
	first = int(from)
	gap := 2.0
	if pixels > 1 { // the eye resolves chroma less
		gap = 1.5
	}
	box = max(1, int(scale/gap))
	last := min(n, int(math.Ceil(from+length)))
	count = (last - first + box - 1) / box
	return first, box, count, lanczosOf(count, (from-float64(first))/float64(box), length/float64(box), m)
}

// next returns the next row, which is valid until the next call.
func (s *planeRows) next(ctx context.Context) ([]float32, error) {
	for s.down.windows[s.top].end() > s.source {
		if s.source%64 == 0 {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
		}
		for ; s.begun < len(s.down.windows) && int(s.down.windows[s.begun].first) <= s.source; s.begun++ {
			clear(s.unfinished[s.begun%len(s.unfinished)])
		}
		s.mean(s.source)
		s.narrow()
		for i := s.top; i < s.begun; i++ {
			window := s.down.windows[i]
			if at := s.source - int(window.first); at < int(window.count) {
				add(s.unfinished[i%len(s.unfinished)], s.narrowed, s.down.of(window)[at])
			}
		}
		s.source++
	}
	s.top++
	return s.unfinished[(s.top-1)%len(s.unfinished)], nil
}

// mean fills means with row y of the means.
func (s *planeRows) mean(y int) {
	p := &s.part
	from := s.y0 + y*s.boxH
	to := min(from+s.boxH, p.h)
	if s.boxW == 1 && to == from+1 {
		row := p.pix[from*p.stride+s.x0*p.step:]
		for i := range s.means {
			s.means[i] = float32(row[i*p.step])
		}
		return
	}
	n := min(len(s.means)*s.boxW, p.w-s.x0) // samples of a row in use
	s.columns.clear(n)
	for r := from; r < to; r++ {
		row := p.pix[r*p.stride+s.x0*p.step:]
		if p.step == 1 {
			s.columns.add(row[:n])
			continue
		}
		for x := range n {
			s.columns.sums[x] += uint32(row[x*p.step])
		}
	}
	sums := s.columns.total()
	for i := range s.means {
		box := sums[i*s.boxW : min((i+1)*s.boxW, n)]
		var sum uint32
		for _, v := range box {
			sum += v
		}
		s.means[i] = float32(sum) / float32(len(box)*(to-from))
	}
}

// columns sums rows of samples, column by column, eight at once: the even and the odd
// bytes of a word each in four lanes of 16 bits.
type columns struct {
	even, odd []uint64
	rows      int // in the lanes, which hold 257 rows
	sums      []uint32
}

func (c *columns) clear(n int) {
	if len(c.sums) != n {
		c.even, c.odd, c.sums = make([]uint64, n/8), make([]uint64, n/8), make([]uint32, n)
	}
	clear(c.even)
	clear(c.odd)
	clear(c.sums)
	c.rows = 0
}

func (c *columns) add(row []uint8) {
	if c.rows == 257 {
		c.total()
	}
	c.rows++
	const lanes = 0x00ff00ff00ff00ff
	even, odd := c.even, c.odd[:len(c.even)]
	for i := range even {
		v := binary.LittleEndian.Uint64(row[8*i:])
		even[i] += v & lanes
		odd[i] += v >> 8 & lanes
	}
	for x := 8 * len(even); x < len(row); x++ {
		c.sums[x] += uint32(row[x])
	}
}

// total returns the sums so far.
func (c *columns) total() []uint32 {
	if c.rows == 0 {
		return c.sums
	}
	for i, even := range c.even {
		odd, s := c.odd[i], c.sums[8*i:8*i+8:8*i+8]
		s[0] += uint32(even & 0xffff)
		s[1] += uint32(odd & 0xffff)
		s[2] += uint32(even >> 16 & 0xffff)
		s[3] += uint32(odd >> 16 & 0xffff)
		s[4] += uint32(even >> 32 & 0xffff)
		s[5] += uint32(odd >> 32 & 0xffff)
		s[6] += uint32(even >> 48)
		s[7] += uint32(odd >> 48)
	}
	clear(c.even)
	clear(c.odd)
	c.rows = 0
	return c.sums
}

// narrow resamples the means to a row of the result's width.
func (s *planeRows) narrow() {
	for i, window := range s.across.windows {
		weights := s.across.of(window)
		means := s.means[window.first:][:len(weights)]
		var sum float32
		for j, w := range weights {
			sum += w * means[j]
		}
		s.narrowed[i] = sum
	}
}
