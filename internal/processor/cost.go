package processor

import "claimcheck.example/internal/job"

const (
	// maxInputSide bounds the sides of an image, in pixels, as libpng does: decoders and
	// encoders hold some rows beside the picture.
	maxInputSide = 1_000_000
	// maxWork bounds how often the operations of one job look at a pixel: two minutes of
	// one core, or thereabouts.
	maxWork = 100e9
)

// bearable refuses a picture of w x h, upright, with which the plan would take too much
// memory or time. The size is zero when it is not known.
func (p plan) bearable(w, h int) error {
	if max(w, h) > maxInputSide {
		return job.Errorf(job.TooLarge, "the image has %d x %d pixels; %d a side are the most that is processed", w, h, maxInputSide)
	}
	if w <= 0 || h <= 0 {
		return nil
	}
	if _, work := p.cost(w, h); work > maxWork {
		return job.Errorf(job.Invalid, "the operations would take too long on %d x %d pixels; ask for fewer or weaker blurs, or put a fit before them", w, h)
	}
	return nil
}

// cost is how many pixels the largest picture has that the plan makes of one of w x h,
// and how often the operations look at a pixel.
func (p plan) cost(w, h int) (pixels int64, work float64) {
	pixels = int64(w) * int64(h)
	scale := func(fromW, fromH int) {
		if w == fromW && h == fromH {
			return
		}
		across, down := taps(fromW, w), taps(fromH, h)
		work += float64(fromH)*float64(fromW+w*across) + float64(w)*float64(h*down)
	}
	soften := func(sigma float64) {
		wide := 2*int(reach(sigma)) + 1
		work += float64(w) * float64(h) * float64(min(w, wide)+min(h, wide))
	}
	for _, op := range p.ops {
		fromW, fromH := w, h
		switch op := op.(type) {
		case fit:
			w, h = op.size(w, h)
			scale(fromW, fromH)
		case fill:
			part := op.part(w, h)
			w, h = op.width, op.height
			scale(part.Dx(), part.Dy())
		case resize:
			w, h = op.size(w, h)
			scale(fromW, fromH)
		case crop:
			r := op.within(w, h)
			w, h = max(r.Dx(), 1), max(r.Dy(), 1) // an empty one is refused
		case rotate:
			if op%2 == 1 {
				w, h = h, w
			}
		case blur:
			soften(float64(op))
		case sharpen:
			soften(op.sigma)
		}
		pixels = max(pixels, int64(w)*int64(h))
	}
	return pixels, work
}

// taps is how many pixels along a side of n each of m is made of.
func taps(n, m int) int {
	if n == m {
		return 1
	}
	return min(n, int(6*max(1, float64(n)/float64(m)))+1)
}
