// Command rainier paints the test photograph rainier.jpg: a snow-covered volcano over
// forested ridges and a lake, rendered from fractal terrain and camera noise, stored
// lying on its side with EXIF orientation 6, as a telephone held upright would.
//
//	go run ./internal/imageinfo/testdata/rainier internal/imageinfo/testdata/rainier.jpg
//
// It always paints the same picture.
package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"math"
	"math/rand/v2"
	"os"
)

// The picture as displayed.
const width, height = 1200, 1600

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: rainier FILE")
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, lying(develop(paint())), &jpeg.Options{Quality: 84}); err != nil {
		log.Fatal(err)
	}
	data := b.Bytes()
	file := append([]byte{}, data[:2]...)
	file = append(file, exif()...)
	file = append(file, data[2:]...)
	if err := os.WriteFile(os.Args[1], file, 0o644); err != nil {
		log.Fatal(err)
	}
}

// exif is an APP1 segment: maker, orientation 6 (turn clockwise to view) and date.
func exif() []byte {
	le := binary.LittleEndian
	texts := []struct {
		tag  uint16
		text string
	}{{0x010f, "Claimcheck\x00"}, {0x0132, "2024:08:17 10:42:00\x00"}}
	t := []byte("II*\x00\x08\x00\x00\x00")
	t = le.AppendUint16(t, 3)
	at := uint32(8 + 2 + 3*12 + 4)
	entry := func(tag, kind uint16, count, value uint32) {
		t = le.AppendUint16(t, tag)
		t = le.AppendUint16(t, kind)
		t = le.AppendUint32(t, count)
		t = le.AppendUint32(t, value)
	}
	entry(texts[0].tag, 2, uint32(len(texts[0].text)), at)
	entry(0x0112, 3, 1, 6)
	entry(texts[1].tag, 2, uint32(len(texts[1].text)), at+uint32(len(texts[0].text)))
	t = le.AppendUint32(t, 0)
	t = append(t, texts[0].text+texts[1].text...)
	segment := append([]byte("Exif\x00\x00"), t...)
	return append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(segment)+2)), segment...)
}

// rgb is linear light.
type rgb struct{ r, g, b float64 }

func (c rgb) mix(d rgb, t float64) rgb {
	t = min(max(t, 0), 1)
	return rgb{c.r + (d.r-c.r)*t, c.g + (d.g-c.g)*t, c.b + (d.b-c.b)*t}
}

func (c rgb) times(f float64) rgb { return rgb{c.r * f, c.g * f, c.b * f} }

// hash returns a value of -1..1 for each point of a lattice.
func hash(x, y, seed int) float64 {
	h := uint64(x)*0x9e3779b97f4a7c15 ^ uint64(y)*0xc2b2ae3d27d4eb4f ^ uint64(seed)*0x165667b19e3779f9
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return float64(h>>11)/(1<<52) - 1
}

// noise is smooth in x and y, -1..1.
func noise(x, y float64, seed int) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	u, v := x-fx, y-fy
	u, v = u*u*u*(u*(u*6-15)+10), v*v*v*(v*(v*6-15)+10)
	a := hash(ix, iy, seed)*(1-u) + hash(ix+1, iy, seed)*u
	b := hash(ix, iy+1, seed)*(1-u) + hash(ix+1, iy+1, seed)*u
	return a*(1-v) + b*v
}

// fractal sums octaves of noise; ridged ones have sharp crests.
func fractal(x, y float64, octaves, seed int, ridged bool) float64 {
	var sum, norm float64
	amp := 1.0
	for o := range octaves {
		n := noise(x, y, seed+o)
		if ridged {
			n = 1 - 2*math.Abs(n)
		}
		sum += n * amp
		norm += amp
		amp *= 0.5
		x, y = 2.03*x*0.96-0.57*y, 2.03*y*0.96+0.57*x
	}
	return sum / norm
}

// terrain returns the height of the land, in kilometres, z kilometres away and x to the
// right.
func terrain(x, z float64) float64 {
	// The volcano, 17 km away.
	dx, dz := x-0.25, z-17
	d := math.Hypot(dx, dz)
	angle := math.Atan2(dz, dx)
	cone := 4.15*math.Exp(-d/3.3) + 0.35*math.Exp(-d*d/2.2)
	cone = min(cone, 3.98+0.10*noise(x*3, z*3, 91)) // the crater's rim
	ribs := fractal(angle*3.1+0.2*d, d*0.55, 5, 7, true)
	cone += ribs * 0.34 * min(1, d/1.6) * math.Exp(-d/4.8)
	cone += fractal(x*1.7, z*1.7, 7, 23, true) * 0.16 * math.Exp(-d/6)
	// Foothills, lower towards the lake.
	hills := 0.42*fractal(x*0.33+3, z*0.33, 8, 41, true) + 0.30
	hills *= smooth(3.4, 9, z)
	// The shore on this side of them.
	shore := 0.5*(smooth(3.2, 4.4, z+0.5*noise(x*0.8, 0.3, 5))) - 0.22
	return max(cone-0.35, 0)*smooth(5, 11, z) + max(hills, 0) + shore*0.3
}

func smooth(a, b, x float64) float64 {
	t := min(max((x-a)/(b-a), 0), 1)
	return t * t * (3 - 2*t)
}

var sun = normal(-0.62, 0.55, -0.56)

func normal(x, y, z float64) [3]float64 {
	n := math.Sqrt(x*x + y*y + z*z)
	return [3]float64{x / n, y / n, z / n}
}

const (
	eye     = 0.09 // kilometres above the lake
	horizon = 0.40 // of the picture's height, from below
	focal   = 2.05 // of the picture's width
	far     = 26.0 // kilometres
)

func sky(x, y float64) rgb {
	up := min(max(y, 0), 1)
	c := rgb{0.60, 0.72, 0.86}.mix(rgb{0.10, 0.26, 0.60}, math.Pow(up, 0.62)*1.25)
	// Thin clouds drawn out by the wind.
	n := fractal(x*2.1+8, y*9+0.8*x, 7, 301, false)
	n = smooth(0.02, 0.55, n+0.10*fractal(x*9, y*30, 5, 320, false))
	return c.mix(rgb{0.93, 0.94, 0.96}, n*0.75*smooth(0.02, 0.25, y))
}

// ground returns the colour of the land at a point, including the light.
func ground(x, z, h, distance float64) rgb {
	e := 0.0016 * max(distance, 1.2)
	nx, nz := terrain(x-e, z)-terrain(x+e, z), terrain(x, z-e)-terrain(x, z+e)
	n := normal(nx, 2*e, nz)
	lit := max(0, n[0]*sun[0]+n[1]*sun[1]+n[2]*sun[2])
	// Shadows of the land between the point and the sun.
	shade := 1.0
	for s := 0.06; s < 2.6; s *= 1.33 {
		over := terrain(x+sun[0]*s, z+sun[2]*s) - (h + sun[1]*s)
		shade = min(shade, 1-smooth(-0.02, 0.05, over))
	}
	light := rgb{1.28, 1.20, 1.06}.times(lit * shade)
	ambient := 0.34 + 0.20*n[1]
	light = rgb{light.r + ambient*0.62, light.g + ambient*0.78, light.b + ambient*1.06}

	rock := rgb{0.14, 0.12, 0.11}.mix(rgb{0.26, 0.22, 0.19}, 0.5+0.7*fractal(x*11, z*11+h*17, 5, 61, false))
	forest := rgb{0.010, 0.026, 0.014}.mix(rgb{0.060, 0.085, 0.030}, 0.4+1.1*fractal(x*26, z*14, 5, 71, false))
	snow := rgb{0.92, 0.93, 0.96}
	c := forest.mix(rock, smooth(0.95, 1.45, h+0.35*fractal(x*2.7, z*2.7, 5, 83, false)))
	steep := smooth(0.50, 0.72, n[1]+0.10*fractal(x*9, z*9, 4, 97, false))
	line := smooth(1.25, 1.95, h+0.40*fractal(x*2.1, z*2.1, 6, 101, false))
	c = c.mix(snow, line*(0.22+0.78*steep))
	return rgb{c.r * light.r, c.g * light.g, c.b * light.b}
}

// paint returns the picture in linear light, row by row.
func paint() []rgb {
	out := make([]rgb, width*height)
	for px := range width {
		column(px, out)
	}
	water(out)
	return out
}

// slope returns the slope of the view at a row.
func slope(py float64) float64 {
	return ((1-horizon)*height - py) / (focal * width)
}

// column walks away from the eye, and paints what is higher than all nearer ground.
func column(px int, out []rgb) {
	side := (float64(px) + 0.5 - width/2) / (focal * width)
	top := height // the highest row that is painted
	for z := 0.5; z < far; z *= 1.0011 {
		x := side * z
		h := terrain(x, z)
		if h <= 0 {
			continue
		}
		if z < 9 { // the tops of trees
			tall := 0.034 * smooth(0.0, 0.02, h) * (1 - smooth(0.9, 1.3, h))
			h += tall * math.Pow(math.Abs(hash(int(math.Floor(x*170)), int(math.Floor(z*26)), 5)), 1.2)
		}
		row := (1-horizon)*height - (h-eye)/z*focal*width
		for py := int(math.Ceil(row)); py < top; py++ {
			if py < 0 {
				continue
			}
			c := ground(x, z, h, z)
			air := 1 - math.Exp(-math.Pow(z/21, 1.7)*(1.0-0.17*h))
			out[py*width+px] = c.mix(rgb{0.50, 0.62, 0.80}, air)
		}
		top = min(top, max(int(math.Ceil(row)), 0))
	}
	for py := range top {
		s := slope(float64(py) + 0.5)
		if s > 0 {
			out[py*width+px] = sky(side*2, s*2.7)
		}
	}
}

// water mirrors what is above the lake, with ripples that grow towards the eye.
func water(out []rgb) {
	level := int((1 - horizon) * height)
	for py := level + 4; py < height; py++ {
		s := -slope(float64(py) + 0.5)
		z := eye / s
		if z > 3.1 {
			continue
		}
		for px := range width {
			if out[py*width+px] != (rgb{}) && terrain((float64(px)+0.5-width/2)/(focal*width)*z, z) > 0 {
				continue
			}
			x := (float64(px) + 0.5 - width/2) / (focal * width) * z
			wave := fractal(x*55, z*150, 5, 201, false)*0.65 + fractal(x*9, z*24, 4, 231, false)*0.35
			depth := float64(py-level) / float64(height-level)
			from := 2*level - py - int(wave*(6+64*depth))
			across := px + int(wave*(1+7*depth))
			from, across = min(max(from, 0), level-1), min(max(across, 0), width-1)
			fresnel := 0.92 - 0.50*depth
			deep := rgb{0.018, 0.052, 0.075}.mix(rgb{0.010, 0.028, 0.040}, depth)
			c := deep.mix(out[from*width+across], fresnel)
			out[py*width+px] = c.times(0.93 + 0.10*wave)
		}
	}
}

// develop is the camera: exposure, curve, vignette and noise.
func develop(linear []rgb) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	grain := rand.New(rand.NewPCG(14, 411))
	for py := range height {
		for px := range width {
			c := linear[py*width+px]
			dx, dy := float64(px)/width-0.5, float64(py)/height-0.5
			c = c.times(0.98 * (1 - 0.42*(dx*dx+dy*dy)))
			g := grain.NormFloat64() * 0.0045
			channel := func(v float64) uint8 {
				v = max(v, 0)
				v = v * (1 + v*0.16) / (1 + v*0.42) // the shoulder of the film
				v += math.Sqrt(v+0.002)*grain.NormFloat64()*0.006 + g*math.Sqrt(v)
				return uint8(min(max(encode(v), 0), 1)*255 + 0.5)
			}
			m.SetRGBA(px, py, color.RGBA{channel(c.r), channel(c.g), channel(c.b), 255})
		}
	}
	return m
}

// encode is sRGB's transfer curve.
func encode(v float64) float64 {
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// lying turns the picture counter-clockwise; orientation 6 undoes that.
func lying(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, height, width))
	for y := range height {
		for x := range width {
			out.SetRGBA(y, width-1-x, m.RGBAAt(x, y))
		}
	}
	return out
}
