package metadata

import (
	"bytes"
	"encoding/binary"
	"math"

	"claimcheck.example/internal/imageinfo"
)

// pngColour collects the colour chunks of a PNG file (ISO/IEC 15948, PNG third edition).
// It turns other forms into a profile, so that engines need to know only profiles.
type pngColour struct {
	gray bool
	cicp []byte
	icc  []byte
	srgb bool
	gama uint32
	chrm []byte
	// closed: the pixels have begun; later colour chunks do not count.
	closed bool
}

// note reads a chunk.
func (c *pngColour) note(kind string, body []byte) {
	switch kind {
	case "cICP":
		c.cicp = body
	case "iCCP":
		// A name and its terminator, the method (zero), the compressed profile.
		if i := bytes.IndexByte(body, 0); i >= 0 && i+2 <= len(body) {
			c.icc = inflate(body[i+2:])
		}
	case "sRGB":
		c.srgb = true
	case "gAMA":
		if len(body) == 4 {
			c.gama = binary.BigEndian.Uint32(body)
		}
	case "cHRM":
		c.chrm = body
	}
}

// profile returns the profile in force: by cICP, then iCCP, sRGB, and gAMA with cHRM. It
// is nil for sRGB.
func (c *pngColour) profile() []byte {
	if len(c.cicp) == 4 {
		p, known := primaries[c.cicp[0]]
		curve, ok := transfers[c.cicp[1]]
		switch {
		case known && c.cicp[0] == 1 && c.cicp[1] == 13:
			return nil
		case known && ok:
			return makeProfile(c.gray, p, curve)
		}
	}
	if c.icc != nil || c.srgb {
		return c.icc
	}
	const bt709 = 1
	p, own := primaries[bt709], false
	if len(c.chrm) == 32 {
		var xy [8]float64
		for i := range xy {
			v := float64(binary.BigEndian.Uint32(c.chrm[4*i:])) / 100000
			own = own || math.Abs(v-p[i]) > 0.005
			xy[i] = v
		}
		if own {
			p = xy
		}
	}
	// Nearly every file with a gamma of 1/2.2 is sRGB.
	usual := c.gama == 0 || c.gama > 45000 && c.gama < 46000
	switch {
	case usual && !own:
		return nil
	case usual:
		return makeProfile(c.gray, p, transfers[13])
	}
	return makeProfile(c.gray, p, []float64{100000 / float64(c.gama)})
}

// HighDynamicRange reports whether a PNG file states by cICP, or a HEIF file by nclx,
// that its samples are PQ or HLG (ITU-R BT.2100), for which there is no profile.
func HighDynamicRange(contentType string, file []byte) bool {
	switch contentType {
	case imageinfo.HEIC, imageinfo.HEIF, imageinfo.AVIF:
		return hdrHEIF(file)
	case imageinfo.PNG:
	default:
		return false
	}
	colour, _ := pngChunks(file)
	c := colour.cicp
	return len(c) == 4 && (c[1] == 16 || c[1] == 18)
}

// primaries are the chromaticities of white, red, green and blue, x and y, by their code
// points in ITU-T H.273.
var primaries = map[byte][8]float64{
	1:  {0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060},
	5:  {0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060},
	6:  {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070},
	7:  {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070},
	9:  {0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046},
	11: {0.3140, 0.3510, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060},
	12: {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060},
}

// transfers are the curves to linear light, by their code points in H.273: a gamma, or
// the parameters g, a, b, c, d of ICC's parametric curve of type 3.
var transfers = map[byte][]float64{
	1:  bt709Curve,
	4:  {2.2},
	5:  {2.8},
	6:  bt709Curve,
	8:  {1},
	13: {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045},
	14: bt709Curve,
	15: bt709Curve,
}

var bt709Curve = []float64{1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081}

// makeProfile makes an ICC profile (ICC.1:2022) of a matrix and a curve, or of gray and a
// curve.
func makeProfile(gray bool, xy [8]float64, curve []float64) []byte {
	fixed := func(b []byte, v float64) []byte {
		return binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
	}
	kind := uint16(3)
	if len(curve) == 1 {
		kind = 0
	}
	trc := binary.BigEndian.AppendUint16([]byte("para\x00\x00\x00\x00"), kind)
	trc = append(trc, 0, 0)
	for _, v := range curve {
		trc = fixed(trc, v)
	}
	xyz := func(v [3]float64) []byte {
		b := []byte("XYZ \x00\x00\x00\x00")
		for _, x := range v {
			b = fixed(b, x)
		}
		return b
	}
	text := append([]byte("mluc\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0cenUS\x00\x00\x00\x08\x00\x00\x00\x1c"), "\x00C\x00I\x00C\x00P"...)
	space := "RGB "
	type tag struct {
		name string
		data []byte
	}
	tags := []tag{{"desc", text}, {"cprt", text}, {"wtpt", xyz(d50)}}
	if gray {
		space = "GRAY"
		tags = append(tags, tag{"kTRC", trc})
	} else {
		m := colorants(xy)
		for i, c := range []string{"r", "g", "b"} {
			tags = append(tags, tag{c + "XYZ", xyz([3]float64{m[0][i], m[1][i], m[2][i]})}, tag{c + "TRC", trc})
		}
	}
	b := make([]byte, 128)
	copy(b[8:], "\x04\x20\x00\x00mntr"+space+"XYZ ")
	copy(b[36:], "acsp")
	copy(b[68:], xyz(d50)[8:])
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
	at := len(b) + 12*len(tags)
	var body []byte
	for _, t := range tags {
		b = append(b, t.name...)
		b = binary.BigEndian.AppendUint32(b, uint32(at+len(body)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.data)))
		body = append(body, t.data...)
		body = append(body, make([]byte, -len(body)&3)...)
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// d50 is the white point of the profile connection space.
var d50 = [3]float64{0.9642, 1, 0.8249}

// colorants returns the columns of the matrix from linear light to XYZ, adapted to D50 by
// Bradford's method.
func colorants(xy [8]float64) [3][3]float64 {
	xyz := func(i int) [3]float64 {
		x, y := xy[2*i], max(xy[2*i+1], 1e-6)
		return [3]float64{x / y, 1, (1 - x - y) / y}
	}
	var m [3][3]float64
	for i := range 3 {
		for j, v := range xyz(1 + i) {
			m[j][i] = v
		}
	}
	white := xyz(0)
	scale := apply(inverse(m), white)
	for i := range 3 {
		for j := range 3 {
			m[j][i] *= scale[i]
		}
	}
	bradford := [3][3]float64{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}
	from, to := apply(bradford, white), apply(bradford, d50)
	var adapt [3][3]float64
	for i := range 3 {
		for j := range 3 {
			adapt[i][j] = bradford[i][j] * to[i] / from[i]
		}
	}
	return product(product(inverse(bradford), adapt), m)
}

func apply(m [3][3]float64, v [3]float64) (out [3]float64) {
	for i := range 3 {
		for j := range 3 {
			out[i] += m[i][j] * v[j]
		}
	}
	return out
}

func product(a, b [3][3]float64) (c [3][3]float64) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

func inverse(m [3][3]float64) (out [3][3]float64) {
	minor := func(i, j int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3
		return m[a][c]*m[b][d] - m[a][d]*m[b][c]
	}
	det := m[0][0]*minor(0, 0) + m[0][1]*minor(0, 1) + m[0][2]*minor(0, 2)
	if math.Abs(det) < 1e-12 {
		det = 1e-12
	}
	for i := range 3 {
		for j := range 3 {
			out[j][i] = minor(i, j) / det
		}
	}
	return out
}
