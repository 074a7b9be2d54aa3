package embedded

import (
	"encoding/binary"
	"math"
	"sync"

	"claimcheck.example/internal/processor/imaging"
)

// profile is an ICC colour profile (ICC.1:2022) to the extent that curves and a matrix
// describe it: the kind that cameras, displays and editors embed. Of a profile made of
// look-up tables only the colour space is known.
type profile struct {
	space  string // "RGB ", "GRAY", "CMYK", ...
	curves [3][]float32
	matrix [3][3]float64 // from the device's linear light to sRGB's
	usable bool          // curves and matrix are present
}

// curveSize is the number of samples of a tone curve.
const curveSize = 4096

// parseProfile returns false when b is not a profile.
func parseProfile(b []byte) (*profile, bool) {
	if len(b) < 132 || string(b[36:40]) != "acsp" {
		return nil, false
	}
	p := &profile{space: string(b[16:20])}
	tags := map[string][]byte{}
	n := binary.BigEndian.Uint32(b[128:])
	for e := b[132:]; n > 0 && len(e) >= 12; n, e = n-1, e[12:] {
		at, size := int64(binary.BigEndian.Uint32(e[4:])), int64(binary.BigEndian.Uint32(e[8:]))
		if at+size <= int64(len(b)) {
			tags[string(e[:4])] = b[at : at+size]
		}
	}
	if string(b[20:24]) != "XYZ " && p.space != "GRAY" {
		return p, true
	}
	switch p.space {
	case "RGB ":
		var device [3][3]float64
		for i, c := range []string{"r", "g", "b"} {
			xyz, ok := parseXYZ(tags[c+"XYZ"])
			if p.curves[i] = parseCurve(tags[c+"TRC"]); !ok || p.curves[i] == nil {
				return p, true
			}
			for j := range xyz {
				device[j][i] = xyz[j]
			}
		}
		p.matrix, p.usable = multiply(toSRGB, device), true
	case "GRAY":
		c := parseCurve(tags["kTRC"])
		p.curves = [3][]float32{c, c, c}
		p.matrix, p.usable = [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, c != nil
	}
	return p, true
}

// toSRGB converts XYZ (D50) of the profile connection space to linear sRGB: the inverse
// of IEC 61966-2-1's primaries, adapted by Bradford's method.
var toSRGB = [3][3]float64{
	{3.1338561, -1.6168667, -0.4906146},
	{-0.9787684, 1.9161415, 0.0334540},
	{0.0719453, -0.2289914, 1.4052427},
}

func multiply(a, b [3][3]float64) (c [3][3]float64) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

func parseXYZ(b []byte) (xyz [3]float64, ok bool) {
	if len(b) < 20 || string(b[:4]) != "XYZ " {
		return xyz, false
	}
	return [3]float64{fixed(b[8:]), fixed(b[12:]), fixed(b[16:])}, true
}

// parseCurve samples a tone curve, from the device's value to linear light; nil when it
// is invalid.
func parseCurve(b []byte) []float32 {
	f := curveFunction(b)
	if f == nil {
		return nil
	}
	out := make([]float32, curveSize)
	for i := range out {
		v := f(float64(i) / (curveSize - 1))
		if math.IsNaN(v) {
			return nil
		}
		out[i] = float32(min(max(v, 0), 1))
	}
	return out
}

func curveFunction(b []byte) func(x float64) float64 {
	if len(b) < 12 {
		return nil
	}
	switch string(b[:4]) {
	case "curv":
		n := int64(binary.BigEndian.Uint32(b[8:]))
		table := b[12:]
		if 2*n > int64(len(table)) {
			return nil
		}
		switch n {
		case 0:
			return func(x float64) float64 { return x }
		case 1:
			gamma := float64(binary.BigEndian.Uint16(table)) / 256
			return func(x float64) float64 { return math.Pow(x, gamma) }
		}
		at := func(i int64) float64 { return float64(binary.BigEndian.Uint16(table[2*i:])) / 0xffff }
		return func(x float64) float64 {
			x *= float64(n - 1)
			i := min(int64(x), n-2)
			return at(i) + (at(i+1)-at(i))*(x-float64(i))
		}
	case "para":
		kind := binary.BigEndian.Uint16(b[8:])
		if kind > 4 {
			return nil
		}
		var v [7]float64 // g a b c d e f
		n := [5]int{1, 3, 4, 5, 7}[kind]
		if len(b) < 12+4*n {
			return nil
		}
		for i := range n {
			v[i] = fixed(b[12+4*i:])
		}
		return parametric(kind, v)
	}
	return nil
}

// parametric evaluates the curves of ICC.1:2022, table 68.
func parametric(kind uint16, v [7]float64) func(x float64) float64 {
	g, a, b, c, d, e, f := v[0], v[1], v[2], v[3], v[4], v[5], v[6]
	var low, high func(x float64) float64
	switch kind {
	case 0:
		return func(x float64) float64 { return math.Pow(x, g) }
	case 1:
		d, low = -b/a, func(float64) float64 { return 0 }
		high = func(x float64) float64 { return math.Pow(a*x+b, g) }
	case 2:
		d, low = -b/a, func(float64) float64 { return c }
		high = func(x float64) float64 { return math.Pow(a*x+b, g) + c }
	case 3:
		low = func(x float64) float64 { return c * x }
		high = func(x float64) float64 { return math.Pow(a*x+b, g) }
	default:
		low = func(x float64) float64 { return c*x + f }
		high = func(x float64) float64 { return math.Pow(a*x+b, g) + e }
	}
	return func(x float64) float64 {
		if x < d {
			return low(x)
		}
		return high(x)
	}
}

// curved returns the curve's value at v, clipped to 0..1.
func curved(curve []float32, v float32) float32 {
	v = clamp(v) * (curveSize - 1)
	i := min(int(v), curveSize-2)
	return curve[i] + (curve[i+1]-curve[i])*(v-float32(i))
}

// srgbCurve is sRGB's encoding of linear light, sampled over the square root of light,
// where it is nearly straight.
var srgbCurve = sync.OnceValue(func() []float32 {
	out := make([]float32, curveSize)
	for i := range out {
		x := float64(i) / (curveSize - 1)
		out[i] = float32(srgb(x * x))
	}
	return out
})

func srgb(v float64) float64 {
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// tone converts a row of the profile's colours to sRGB. Colours outside of its gamut
// are clipped, as with the relative colorimetric intent.
func (p *profile) tone(row []float32) {
	curve := srgbCurve()
	var m [3][3]float32
	for i := range m {
		for j := range m {
			m[i][j] = float32(p.matrix[i][j])
		}
	}
	for i := 0; i < len(row); i += 4 {
		r, g, b := curved(p.curves[0], row[i]), curved(p.curves[1], row[i+1]), curved(p.curves[2], row[i+2])
		for j := range 3 {
			v := clamp(m[j][0]*r + m[j][1]*g + m[j][2]*b)
			row[i+j] = curved(curve, float32(math.Sqrt(float64(v))))
		}
	}
}

// isSRGB reports whether a conversion would change nothing visible.
func (p *profile) isSRGB() bool {
	const step, tolerance = 0.125, 0.5 / 255
	for r := float32(0); r <= 1; r += step {
		for g := float32(0); g <= 1; g += step {
			row := []float32{r, g, 1 - r, 1}
			if p.space == "GRAY" {
				row[0], row[1], row[2] = r, r, r
			}
			was := [3]float32(row)
			p.tone(row)
			for i := range was {
				if math.Abs(float64(row[i]-was[i])) > tolerance {
					return false
				}
			}
		}
	}
	return true
}

// managed returns the picture with correct colours: converted to sRGB, or, where that is
// impossible or not wanted, with the profile that describes them. It never keeps a
// profile that does not fit the colours of the planned file.
func (p *picture) managed(icc []byte, plan imaging.Plan) *picture {
	prof, ok := parseProfile(icc)
	if !ok {
		return p
	}
	colours := prof.space == "RGB "
	// A WebP file is always colour, and so is a file with alpha.
	fits := colours || !p.alpha && plan.Format != "webp"
	switch {
	case !colours && !(prof.space == "GRAY" && p.gray):
		// The profile is for other colours, such as those of a CMYK file that became RGB.
		return p
	case fits && (plan.Keep.ICC || !prof.usable):
		q := *p
		q.icc, q.gray = icc, !colours
		return &q
	case !prof.usable || prof.isSRGB():
		return p
	}
	return p.tonedLast(prof.tone)
}
