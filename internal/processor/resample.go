package processor

import (
	"context"
	"math"
)

// kernel says, for every pixel along one axis of a result, which pixels of the source
// it is made of: weights[i] of them, from first[i] on. The weights of one pixel sum to
// one.
type kernel struct {
	first   []int
	weights [][]float32
}

// makeKernel weighs n source pixels for each of m results. Weight is a window function
// of the distance, measured in source pixels, to where the result's centre falls; it is
// zero from radius on.
func makeKernel(n, m int, radius float64, weight func(distance float64) float64) kernel {
	k := kernel{first: make([]int, m), weights: make([][]float32, m)}
	step := float64(n) / float64(m)
	store := make([]float32, 0, m*min(n, int(2*radius)+2))
	for i := range m {
		centre := (float64(i)+0.5)*step - 0.5
		first := max(0, int(math.Ceil(centre-radius)))
		last := min(n-1, int(math.Floor(centre+radius)))
		if last < first { // between two pixels of a tiny window
			first = min(max(int(math.Round(centre)), 0), n-1)
			last = first
		}
		from := len(store)
		var sum float64
		for j := first; j <= last; j++ {
			w := weight(float64(j) - centre)
			sum += w
			store = append(store, float32(w))
		}
		weights := store[from:len(store):len(store)]
		if math.Abs(sum) < 1e-9 {
			weights[0], sum = 1, 1
		}
		for j := range weights {
			weights[j] /= float32(sum)
		}
		k.first[i], k.weights[i] = first, weights
	}
	return k
}

// lanczos is the three-lobed Lanczos window, widened to the source's pixels where the
// picture gets smaller, so that each of them counts: the default of libvips, and of
// ImageMagick for reductions. Like theirs it works on sRGB's samples as they are.
func lanczos(n, m int) kernel {
	scale := max(1, float64(n)/float64(m))
	return makeKernel(n, m, 3*scale, func(d float64) float64 {
		x := d / scale
		if x == 0 {
			return 1
		}
		if math.Abs(x) >= 3 {
			return 0
		}
		x *= math.Pi
		return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
	})
}

// gaussian blurs n pixels; beyond three standard deviations it sees nothing.
func gaussian(n int, sigma float64) kernel {
	return makeKernel(n, n, math.Ceil(3*sigma), func(d float64) float64 {
		return math.Exp(-d * d / (2 * sigma * sigma))
	})
}

// resample returns the picture in another size.
func resample(ctx context.Context, p *picture, w, h int) (*picture, error) {
	if w == p.w && h == p.h {
		return p, nil
	}
	return convolve(ctx, p, lanczos(p.w, w), lanczos(p.h, h), nil)
}

// convolve applies one kernel along the rows and one along the columns, on samples
// premultiplied by alpha. Finish, which may be nil and needs kernels that keep the
// size, makes the final row, in its second argument, out of the original and the new
// one, both premultiplied.
//
// It reads each row of p once, and holds as many rows of the result's width as the
// column kernel is high.
func convolve(ctx context.Context, p *picture, across, down kernel, finish func(original, row []float32)) (*picture, error) {
	w, h := len(across.first), len(down.first)
	out := newRaster(w, h, p.deep)
	deepest := 0
	for _, weights := range down.weights {
		deepest = max(deepest, len(weights))
	}
	ring := make([][]float32, deepest) // row y of the source, narrowed, is at y % deepest
	for i := range ring {
		ring[i] = make([]float32, 4*w)
	}
	source, row, original := make([]float32, 4*p.w), make([]float32, 4*w), []float32(nil)
	if finish != nil {
		original = make([]float32, 4*w)
	}
	read := 0 // rows of p
	for y := range h {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		first, weights := down.first[y], down.weights[y]
		for ; read < first+len(weights); read++ {
			if read < first {
				continue
			}
			p.row(read, source)
			premultiply(source, p.alpha)
			narrow(ring[read%deepest], source, across)
		}
		clear(row)
		for j, weight := range weights {
			for i, v := range ring[(first+j)%deepest] {
				row[i] += weight * v
			}
		}
		if finish != nil {
			p.row(y, original)
			premultiply(original, p.alpha)
			finish(original, row)
		}
		unpremultiply(row, p.alpha)
		out.put(y, row)
	}
	return out.picture(p), nil
}

// narrow applies a kernel along one row.
func narrow(dst, src []float32, k kernel) {
	for i, weights := range k.weights {
		s := src[4*k.first[i]:]
		var r, g, b, a float32
		for j, weight := range weights {
			px := s[4*j : 4*j+4 : 4*j+4]
			r += weight * px[0]
			g += weight * px[1]
			b += weight * px[2]
			a += weight * px[3]
		}
		px := dst[4*i : 4*i+4 : 4*i+4]
		px[0], px[1], px[2], px[3] = r, g, b, a
	}
}

func premultiply(row []float32, alpha bool) {
	if !alpha {
		return
	}
	for i := 0; i < len(row); i += 4 {
		a := row[i+3]
		row[i] *= a
		row[i+1] *= a
		row[i+2] *= a
	}
}

func unpremultiply(row []float32, alpha bool) {
	if !alpha {
		return
	}
	for i := 0; i < len(row); i += 4 {
		if a := row[i+3]; a > 0 {
			row[i] /= a
			row[i+1] /= a
			row[i+2] /= a
		}
	}
}
