package embedded

import (
	"cmp"
	"context"
	"image"
	"image/color"
	"slices"
)

// rgb is an opaque colour, 0 to 255 a channel.
type rgb [3]int32

// channelWeights weigh a difference in red, green and blue as the eye does.
var channelWeights = rgb{2, 4, 3}

// palette is a limited set of colours.
type palette struct {
	colours []rgb
	// near lists, for each cell, the colours one of which is the nearest to any point in the
	// cell; nil until it is needed.
	near [cells][]uint8
}

// A cell holds the colours that share the upper five bits of each channel.
const (
	cellBits = 5
	cells    = 1 << (3 * cellBits)
)

func cellOf(c rgb) int {
	const drop = 8 - cellBits
	return int(c[0]>>drop<<(2*cellBits) | c[1]>>drop<<cellBits | c[2]>>drop)
}

// paletted renders the picture in 256 colours of its own choice, one of which is
// transparent when some pixels are more transparent than not. A picture with few enough
// colours keeps them; any other is dithered by Floyd and Steinberg's error diffusion.
func (p *picture) paletted(ctx context.Context) (*image.Paletted, error) {
	t, err := p.histogram(ctx)
	if err != nil {
		return nil, err
	}
	m := image.NewPaletted(image.Rect(0, 0, p.w, p.h), nil)
	first := 0 // index of the first colour
	if t.clear {
		m.Palette, first = color.Palette{color.NRGBA{}}, 1
	}
	pal := &palette{colours: t.choose(256 - first)}
	for _, c := range pal.colours {
		m.Palette = append(m.Palette, color.NRGBA{R: uint8(c[0]), G: uint8(c[1]), B: uint8(c[2]), A: 0xff})
	}
	row := make([]float32, 4*p.w)
	// The errors carried to the pixels of this row and of the next, times 16, with a margin
	// of one pixel at each end.
	here, below := make([]rgb, p.w+2), make([]rgb, p.w+2)
	for y := range p.h {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		p.row(y, row)
		clear(below)
		for x := range p.w {
			c, opaque := quantized(row[4*x:])
			if !opaque {
				continue // index 0
			}
			for i := range c {
				c[i] = min(max(c[i]+(here[x+1][i]+8)>>4, 0), 0xff)
			}
			index := pal.nearest(c)
			m.Pix[y*m.Stride+x] = uint8(first) + index
			for i := range c {
				left := c[i] - pal.colours[index][i]
				here[x+2][i] += 7 * left
				below[x][i] += 3 * left
				below[x+1][i] += 5 * left
				below[x+2][i] += left
			}
		}
		here, below = below, here
	}
	return m, nil
}

// quantized returns a sample's colour, and whether it is more opaque than transparent.
func quantized(px []float32) (c rgb, opaque bool) {
	for i := range c {
		c[i] = int32(clamp(px[i])*0xff + 0.5)
	}
	return c, px[3] >= 0.5
}

// nearest returns the index of the colour nearest to c.
func (p *palette) nearest(c rgb) uint8 {
	cell := cellOf(c)
	if p.near[cell] == nil {
		p.near[cell] = p.nearCell(c)
	}
	var best uint8
	least := int32(1 << 30)
	for _, i := range p.near[cell] {
		var d int32
		for j, v := range p.colours[i] {
			d += channelWeights[j] * (v - c[j]) * (v - c[j])
		}
		if d < least {
			best, least = i, d
		}
	}
	return best
}

// nearCell lists the colours that may be the nearest to a point in the cell of c: a
// colour stays when its least distance to the cell is no more than another's greatest.
func (p *palette) nearCell(c rgb) (near []uint8) {
	const side = 1 << (8 - cellBits)
	nearest := make([]int32, len(p.colours))
	bound := int32(1 << 30)
	for i, colour := range p.colours {
		var farthest int32
		for j, v := range colour {
			low := c[j] &^ (side - 1)
			high := low + side - 1
			gap := max(low-v, v-high, 0)
			reach := max(v-low, high-v)
			nearest[i] += channelWeights[j] * gap * gap
			farthest += channelWeights[j] * reach * reach
		}
		bound = min(bound, farthest)
	}
	for i, d := range nearest {
		if d <= bound {
			near = append(near, uint8(i))
		}
	}
	return near
}

// histogram counts the colours of a picture.
type histogram struct {
	clear    bool             // some pixels are more transparent than not
	distinct map[rgb]struct{} // the other colours; counting stops beyond 256
	cells    []bin            // by cell
}

// bin is a number of pixels and the sum of their colours.
type bin struct {
	n   int64
	sum [3]int64
}

func (b bin) mean(channel int) float64 { return float64(b.sum[channel]) / float64(b.n) }

func (p *picture) histogram(ctx context.Context) (*histogram, error) {
	t := &histogram{distinct: map[rgb]struct{}{}, cells: make([]bin, cells)}
	row := make([]float32, 4*p.w)
	last := rgb{-1}
	for y := range p.h {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		p.row(y, row)
		for x := range p.w {
			c, opaque := quantized(row[4*x:])
			if !opaque {
				t.clear = true
				continue
			}
			if c != last && len(t.distinct) <= 256 {
				t.distinct[c] = struct{}{}
			}
			last = c
			b := &t.cells[cellOf(c)]
			b.n++
			for i, v := range c {
				b.sum[i] += int64(v)
			}
		}
	}
	return t, nil
}

// choose returns at most that many colours to represent all: the means of boxes, each a
// half of the box whose colours differed the most, cut at its mean (Heckbert's median
// cut, with variances for extents).
func (t *histogram) choose(most int) []rgb {
	if len(t.distinct) <= most {
		colours := make([]rgb, 0, len(t.distinct))
		for c := range t.distinct {
			colours = append(colours, c)
		}
		slices.SortFunc(colours, func(a, b rgb) int { return slices.Compare(a[:], b[:]) })
		return colours
	}
	all := slices.DeleteFunc(t.cells, func(b bin) bool { return b.n == 0 })
	boxes := []box{newBox(all)}
	for len(boxes) < most {
		i := 0
		for j := range boxes {
			if boxes[j].spread > boxes[i].spread {
				i = j
			}
		}
		if boxes[i].spread == 0 {
			break
		}
		low, high := boxes[i].cut()
		boxes[i] = low
		boxes = append(boxes, high)
	}
	colours := make([]rgb, len(boxes))
	for i, b := range boxes {
		for j := range colours[i] {
			colours[i][j] = int32(b.all.mean(j) + 0.5)
		}
	}
	return colours
}

// box holds some of the bins of a histogram.
type box struct {
	bins    []bin
	all     bin
	channel int     // the channel in which they differ the most
	spread  float64 // the sum of squared differences from the mean in that channel
}

func newBox(bins []bin) box {
	b := box{bins: bins}
	for _, o := range bins {
		b.all.n += o.n
		for i, v := range o.sum {
			b.all.sum[i] += v
		}
	}
	for i := range b.all.sum {
		mean, spread := b.all.mean(i), 0.0
		for _, o := range bins {
			d := o.mean(i) - mean
			spread += float64(channelWeights[i]) * d * d * float64(o.n)
		}
		if spread > b.spread {
			b.channel, b.spread = i, spread
		}
	}
	return b
}

// cut splits a box whose spread is not zero.
func (b box) cut() (low, high box) {
	slices.SortFunc(b.bins, func(x, y bin) int { return cmp.Compare(x.mean(b.channel), y.mean(b.channel)) })
	mean := b.all.mean(b.channel)
	at := slices.IndexFunc(b.bins, func(o bin) bool { return o.mean(b.channel) > mean })
	at = min(max(at, 1), len(b.bins)-1) // rounding may have gone too far
	return newBox(b.bins[:at]), newBox(b.bins[at:])
}
