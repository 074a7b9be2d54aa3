package embedded

import (
	"context"
	"image"
	"image/color"
)

// picture is what operations work on: pixels, and a view of them. Crops, turns, flips and
// colours only change the view, so they cost nothing and can be stacked; reading a row
// applies them.
//
// A sample is a float32 of 0..1 with sRGB's transfer curve, unless a profile is kept; a
// pixel is red, green, blue and alpha, not premultiplied.
type picture struct {
	at     sampler
	w, h   int
	ox, oy int // position of the picture's pixel (0, 0) in the pixels
	// One step to the right in the picture is (rx, ry) in the pixels, one step down is (dx,
	// dy). Each is a unit vector along an axis.
	rx, ry, dx, dy int
	// tones change the colours of a row, first to last.
	tones []func(row []float32)

	// planes are the samples behind at, when at reads nothing else.
	planes *planes

	deep  bool // more than 8 bits a channel
	gray  bool // red, green and blue are equal everywhere
	alpha bool // some pixels may not be opaque
	icc   []byte
	exif  []byte
}

// sampler returns the pixel at (x, y), which must be inside.
type sampler func(x, y int, px *[4]float32)

func newPicture(at sampler, w, h int) *picture {
	return &picture{at: at, w: w, h: h, rx: 1, dy: 1}
}

// row reads row y into dst, of 4*w samples.
func (p *picture) row(y int, dst []float32) { p.part(0, y, dst[:4*p.w]) }

// part fills dst with row y from the pixel x on.
func (p *picture) part(x, y int, dst []float32) {
	x0, y0 := p.ox+x*p.rx+y*p.dx, p.oy+x*p.ry+y*p.dy
	for i := range len(dst) / 4 {
		p.at(x0+i*p.rx, y0+i*p.ry, (*[4]float32)(dst[4*i:]))
	}
	for _, tone := range p.tones {
		tone(dst)
	}
}

// crop returns the part of the picture inside r.
func (p *picture) crop(r image.Rectangle) *picture {
	q := *p
	q.ox += r.Min.X*p.rx + r.Min.Y*p.dx
	q.oy += r.Min.X*p.ry + r.Min.Y*p.dy
	q.w, q.h = r.Dx(), r.Dy()
	return &q
}

// mirror swaps left and right.
func (p *picture) mirror() *picture {
	q := *p
	q.ox += (p.w - 1) * p.rx
	q.oy += (p.w - 1) * p.ry
	q.rx, q.ry = -p.rx, -p.ry
	return &q
}

// transpose swaps rows and columns.
func (p *picture) transpose() *picture {
	q := *p
	q.w, q.h = p.h, p.w
	q.rx, q.ry, q.dx, q.dy = p.dx, p.dy, p.rx, p.ry
	return &q
}

// turn rotates clockwise by a number of quarters.
func (p *picture) turn(quarters int) *picture {
	for range quarters {
		p = p.transpose().mirror()
	}
	return p
}

// upright undoes an EXIF orientation, 1 to 8.
func (p *picture) upright(orientation int) *picture {
	switch orientation {
	case 2:
		return p.mirror()
	case 3:
		return p.turn(2)
	case 4:
		return p.mirror().turn(2)
	case 5:
		return p.transpose()
	case 6:
		return p.turn(1)
	case 7:
		return p.transpose().turn(2)
	case 8:
		return p.turn(3)
	}
	return p
}

// onCanvas returns the picture, placed at frame, with transparent pixels around it.
func (p *picture) onCanvas(frame, canvas image.Rectangle) *picture {
	at := p.at
	q := newPicture(func(x, y int, px *[4]float32) {
		if !(image.Point{X: x, Y: y}).In(frame) {
			*px = [4]float32{}
			return
		}
		at(x, y, px)
	}, canvas.Dx(), canvas.Dy())
	q.deep, q.gray, q.alpha = p.deep, p.gray, true
	return q
}

// resamplePlanes returns the picture in another size. Its turns and tones are those of
// the picture.
func (p *picture) resamplePlanes(ctx context.Context, w, h int) (*picture, error) {
	// The part of the planes that the picture shows, and its new size in the planes'
	// orientation.
	x1, y1 := p.ox+(p.w-1)*p.rx+(p.h-1)*p.dx, p.oy+(p.w-1)*p.ry+(p.h-1)*p.dy
	r := image.Rect(min(p.ox, x1), min(p.oy, y1), max(p.ox, x1)+1, max(p.oy, y1)+1)
	across, down := w, h
	if p.rx == 0 {
		across, down = h, w
	}
	out, err := p.planes.resample(ctx, r, across, down)
	if err != nil {
		return nil, err
	}
	q := out.picture(p)
	q.w, q.h, q.rx, q.ry, q.dx, q.dy, q.tones = w, h, p.rx, p.ry, p.dx, p.dy, p.tones
	// The first pixel is in the corner from which both steps lead inside.
	if p.rx+p.dx < 0 {
		q.ox = across - 1
	}
	if p.ry+p.dy < 0 {
		q.oy = down - 1
	}
	return q, nil
}

// tonedLast returns the picture with one more change of colours. While the picture has planes
// the change comes after a later change of size: that is faster, and a linear change is the
// same there. For another change set planes to nil.
func (p *picture) tonedLast(tone func(row []float32)) *picture {
	q := *p
	q.tones = append(q.tones[:len(q.tones):len(q.tones)], tone)
	return &q
}

const (
	unit8  = float32(1) / 0xff
	unit16 = float32(1) / 0xffff
)

// fromImage returns a view of a decoded image.
func fromImage(m image.Image) *picture {
	b := m.Bounds()
	p := newPicture(nil, b.Dx(), b.Dy())
	p.ox, p.oy = b.Min.X, b.Min.Y
	p.planes = planesOf(m)
	switch m := m.(type) {
	case *image.YCbCr:
		convert := p.planes.rgb
		p.at = func(x, y int, px *[4]float32) {
			cb, cr := chroma(m, x, y)
			r, g, b := convert(float32(m.Y[m.YOffset(x, y)]), cb, cr)
			*px = [4]float32{clamp(r * unit8), clamp(g * unit8), clamp(b * unit8), 1}
		}
	case *studioImage:
		p.alpha, p.at = !m.opaque, m.pixel
	case *image.Gray:
		p.gray = true
		p.at = func(x, y int, px *[4]float32) {
			v := float32(m.Pix[m.PixOffset(x, y)]) * unit8
			*px = [4]float32{v, v, v, 1}
		}
	case *image.Gray16:
		p.gray, p.deep = true, true
		p.at = func(x, y int, px *[4]float32) {
			v := be16(m.Pix[m.PixOffset(x, y):])
			*px = [4]float32{v, v, v, 1}
		}
	case *image.NRGBA:
		p.alpha = !m.Opaque()
		p.at = func(x, y int, px *[4]float32) {
			s := m.Pix[m.PixOffset(x, y):]
			*px = [4]float32{float32(s[0]) * unit8, float32(s[1]) * unit8, float32(s[2]) * unit8, float32(s[3]) * unit8}
		}
	case *image.NRGBA64:
		p.deep, p.alpha = true, !m.Opaque()
		p.at = func(x, y int, px *[4]float32) {
			s := m.Pix[m.PixOffset(x, y):]
			*px = [4]float32{be16(s), be16(s[2:]), be16(s[4:]), be16(s[6:])}
		}
	case *image.RGBA:
		p.alpha = !m.Opaque()
		p.at = func(x, y int, px *[4]float32) {
			s := m.Pix[m.PixOffset(x, y):]
			*px = straight(float32(s[0])*unit8, float32(s[1])*unit8, float32(s[2])*unit8, float32(s[3])*unit8)
		}
	case *image.RGBA64:
		p.deep, p.alpha = true, !m.Opaque()
		p.at = func(x, y int, px *[4]float32) {
			s := m.Pix[m.PixOffset(x, y):]
			*px = straight(be16(s), be16(s[2:]), be16(s[4:]), be16(s[6:]))
		}
	case *image.Paletted:
		p.alpha = !m.Opaque()
		// Indices beyond the palette are transparent black, as image/gif has it.
		var table [256][4]float32
		p.gray = true
		for i, c := range m.Palette {
			n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
			table[i] = [4]float32{float32(n.R) * unit16, float32(n.G) * unit16, float32(n.B) * unit16, float32(n.A) * unit16}
			p.gray = p.gray && n.R == n.G && n.G == n.B
		}
		p.at = func(x, y int, px *[4]float32) { *px = table[m.Pix[m.PixOffset(x, y)]] }
	default: // CMYK, and any type that a decoder may add
		_, cmyk := m.(*image.CMYK)
		p.alpha = !cmyk
		p.at = func(x, y int, px *[4]float32) {
			r, g, b, a := m.At(x, y).RGBA()
			*px = straight(float32(r)*unit16, float32(g)*unit16, float32(b)*unit16, float32(a)*unit16)
		}
	}
	return p
}

func be16(s []byte) float32 { return float32(uint16(s[0])<<8|uint16(s[1])) * unit16 }

// straight undoes premultiplication.
func straight(r, g, b, a float32) [4]float32 {
	if a == 0 {
		return [4]float32{}
	}
	return [4]float32{r / a, g / a, b / a, a}
}

// raster is a picture of its own pixels, row by row.
type raster struct {
	w, h   int
	shades []uint8  // 4 a pixel; nil when deep
	deeps  []uint16 // 4 a pixel; nil unless deep
}

func newRaster(w, h int, deep bool) *raster {
	r := &raster{w: w, h: h}
	if deep {
		r.deeps = make([]uint16, 4*w*h)
	} else {
		r.shades = make([]uint8, 4*w*h)
	}
	return r
}

// put stores part of row y, from the pixel x on, as straight samples of any value.
func (r *raster) put(x, y int, part []float32) {
	i := 4 * (r.w*y + x)
	if r.deeps != nil {
		for j, v := range part {
			r.deeps[i+j] = uint16(clamp(v)*0xffff + 0.5)
		}
		return
	}
	put8(r.shades[i:], part)
}

func clamp(v float32) float32 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

// picture returns a view of the raster with all properties of like but geometry and
// colours.
func (r *raster) picture(like *picture) *picture {
	p := newPicture(nil, r.w, r.h)
	p.deep, p.gray, p.alpha, p.icc, p.exif = like.deep, like.gray, like.alpha, like.icc, like.exif
	if r.deeps != nil {
		p.at = func(x, y int, px *[4]float32) {
			s := r.deeps[4*(y*r.w+x):]
			*px = [4]float32{float32(s[0]) * unit16, float32(s[1]) * unit16, float32(s[2]) * unit16, float32(s[3]) * unit16}
		}
	} else {
		p.at = func(x, y int, px *[4]float32) {
			s := r.shades[4*(y*r.w+x):]
			*px = [4]float32{float32(s[0]) * unit8, float32(s[1]) * unit8, float32(s[2]) * unit8, float32(s[3]) * unit8}
		}
	}
	return p
}
