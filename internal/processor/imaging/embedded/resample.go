package embedded

import (
	"context"
	"math"
	"slices"

	"claimcheck.example/internal/processor/imaging"
)

// kernel says, for every pixel along one axis of a result, from which source pixels it is
// made. The weights of one pixel sum to one.
type kernel struct {
	windows []window
	weights []float32
}

// window is the source of one pixel: the number of source pixels, the first of them, and
// the place of their weights in the kernel.
type window struct{ first, count, weights int32 }

// end returns the first source pixel after the window.
func (w window) end() int { return int(w.first + w.count) }

// of returns the weights of a window.
func (k kernel) of(w window) []float32 { return k.weights[w.weights : w.weights+w.count] }

// makeKernel weighs n source pixels for each of m results. Weight is a window function of
// the distance, in source pixels, from the result's centre; it is zero from radius on.
// When the size does not change, all pixels away from the edges share their weights.
func makeKernel(n, m int, radius float64, weight func(distance float64) float64) kernel {
	return makeKernelOf(n, 0, float64(n), m, radius, weight)
}

// makeKernelOf is makeKernel for results spread over the extent that begins at from, in
// source pixels.
func makeKernelOf(n int, from, extent float64, m int, radius float64, weight func(distance float64) float64) kernel {
	k := kernel{windows: make([]window, m)}
	step := extent / float64(m)
	if n != m {
		k.weights = make([]float32, 0, m*min(n, int(2*radius)+2))
	}
	interior := -1
	for i := range m {
		centre := from + (float64(i)+0.5)*step - 0.5
		first, last := int(math.Ceil(centre-radius)), int(math.Floor(centre+radius))
		whole := step == 1 && from == 0 && first >= 0 && last < n
		if whole && interior >= 0 {
			k.windows[i] = window{int32(first), int32(last - first + 1), int32(interior)}
			continue
		}
		first, last = max(0, first), min(n-1, last)
		if last < first { // between two pixels of a tiny window
			first = min(max(int(math.Round(centre)), 0), n-1)
			last = first
		}
		at := len(k.weights)
		var sum float64
		for j := first; j <= last; j++ {
			w := weight(float64(j) - centre)
			sum += w
			k.weights = append(k.weights, float32(w))
		}
		weights := k.weights[at:]
		if math.Abs(sum) < 1e-9 {
			weights[0], sum = 1, 1
		}
		for j := range weights {
			weights[j] /= float32(sum)
		}
		k.windows[i] = window{int32(first), int32(last - first + 1), int32(at)}
		if whole {
			interior = at
		}
	}
	return k
}

// overlap returns the largest number of windows that share a source pixel.
func (k kernel) overlap() int {
	most, oldest := 0, 0
	for i, w := range k.windows {
		for k.windows[oldest].end() <= int(w.first) {
			oldest++
		}
		most = max(most, i-oldest+1)
	}
	return most
}

// lanczos is the three-lobed Lanczos window. For a smaller picture it is stretched over
// the source's pixels, so that each counts: the default of libvips, and of ImageMagick
// for reductions. Like theirs it works on sRGB samples as they are.
func lanczos(n, m int) kernel {
	if n == m { // the window is zero at all pixels but the middle one
		return makeKernel(n, m, 0, func(float64) float64 { return 1 })
	}
	return lanczosOf(n, 0, float64(n), m)
}

// lanczosOf is lanczos of a part.
func lanczosOf(n int, from, extent float64, m int) kernel {
	scale := max(1, extent/float64(m))
	return makeKernelOf(n, from, extent, m, 3*scale, func(d float64) float64 {
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

// gaussian blurs n pixels, cut off at three standard deviations.
func gaussian(n int, sigma float64) kernel {
	return makeKernel(n, n, imaging.Reach(sigma), func(d float64) float64 {
		return math.Exp(-d * d / (2 * sigma * sigma))
	})
}

// stripPixels is the number of unfinished pixels of a result at once, at 16 bytes each.
const stripPixels = 1 << 17

// convolve applies one kernel along the rows and one along the columns, on samples
// premultiplied by alpha. Finish may be nil and needs kernels that keep the size. It
// computes the final row, in its second argument, from the original row and the new one,
// both premultiplied.
//
// The result is made in strips from top to bottom, narrow enough that their unfinished
// rows stay within stripPixels, however high the kernel is.
func convolve(ctx context.Context, p *picture, across, down kernel, finish func(original, row []float32)) (*picture, error) {
	w, h := len(across.windows), len(down.windows)
	out := newRaster(w, h, p.deep)
	rows := down.overlap()
	width := min(w, max(1, stripPixels/rows))
	unfinished := make([][]float32, rows) // row y of the result is at y % rows
	for i := range unfinished {
		unfinished[i] = make([]float32, 4*width)
	}
	var source []float32
	narrowed, original := make([]float32, 4*width), make([]float32, 4*width)
	for left := 0; left < w; left += width {
		columns := across.windows[left:min(left+width, w)]
		from, to := int(columns[0].first), columns[len(columns)-1].end()
		source = slices.Grow(source[:0], 4*(to-from))[:4*(to-from)]
		n := 4 * len(columns)
		top, next := 0, 0 // the unfinished rows of the result: from top up to, but without, next
		for y := range p.h {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			for ; next < h && int(down.windows[next].first) <= y; next++ {
				clear(unfinished[next%rows])
			}
			p.part(from, y, source)
			premultiply(source, p.alpha)
			narrow(narrowed, source, from, columns, across)
			for i := top; i < next; i++ {
				window := down.windows[i]
				add(unfinished[i%rows][:n], narrowed[:n], down.of(window)[y-int(window.first)])
			}
			for ; top < next && down.windows[top].end() == y+1; top++ {
				row := unfinished[top%rows][:n]
				if finish != nil {
					p.part(left, top, original[:n])
					premultiply(original[:n], p.alpha)
					finish(original[:n], row)
				}
				unpremultiply(row, p.alpha)
				out.put(left, top, row)
			}
		}
	}
	return out.picture(p), nil
}

// add adds a weighted row to another row.
func add(sum, row []float32, weight float32) {
	for i, v := range row[:len(sum)] {
		sum[i] += weight * v
	}
}

// narrow computes some columns of one row; src begins with the pixel from.
func narrow(dst, src []float32, from int, columns []window, k kernel) {
	for i, column := range columns {
		s := src[4*(int(column.first)-from):]
		var r, g, b, a float32
		for j, weight := range k.of(column) {
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
