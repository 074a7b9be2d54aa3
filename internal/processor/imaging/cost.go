package imaging

import (
	"math"

	"claimcheck.example/internal/job"
)

const (
	// maxInputSide bounds the sides of an image, in pixels, as libpng does: decoders and
	// encoders keep some rows in addition to the picture.
	maxInputSide = 1_000_000
	// maxWork bounds the visits to a pixel by the operations of one job: about two minutes
	// of one core.
	maxWork = 100e9
)

// Bearable refuses a plan that would take too much memory or time for a picture of w x h,
// upright. The size is zero when it is unknown.
func (p Plan) Bearable(w, h int) error {
	if max(w, h) > maxInputSide {
		return job.Errorf(job.TooLarge, "the image has %d x %d pixels; %d a side are the most that is processed", w, h, maxInputSide)
	}
	if w <= 0 || h <= 0 {
		return nil
	}
	if _, work := p.Cost(w, h); work > maxWork {
		return job.Errorf(job.Invalid, "the operations would take too long on %d x %d pixels; ask for fewer or weaker blurs, or put a fit before them", w, h)
	}
	return nil
}

// Cost returns the pixels of the largest picture that the plan makes of one of w x h, and
// the number of visits to a pixel.
func (p Plan) Cost(w, h int) (pixels int64, work float64) {
	pixels = int64(w) * int64(h)
	for _, op := range p.Ops {
		var more float64
		w, h, more = op.Cost(w, h)
		work += more
		pixels = max(pixels, int64(w)*int64(h))
	}
	return pixels, work
}

// Needs returns the size to which an engine may reduce an upright picture of w x h while
// it decodes it, because the operations begin by scaling the picture to that size. It is
// w x h where they need every pixel.
func (p Plan) Needs(w, h int) (needW, needH int) {
	outW, outH := w, h
	for _, op := range p.Ops {
		needW, needH, indifferent := op.Needs(outW, outH)
		if !indifferent {
			if outW != w { // an odd number of quarters
				needW, needH = needH, needW
			}
			return min(needW, w), min(needH, h)
		}
		outW, outH, _ = op.Cost(outW, outH)
	}
	return w, h
}

// Size returns the size of the result for a picture of w x h.
func (p Plan) Size(w, h int) (int, int) {
	for _, op := range p.Ops {
		w, h, _ = op.Cost(w, h)
	}
	return w, h
}

// resampling counts the visits to a pixel by Canvas.Resample.
func resampling(fromW, fromH, w, h int) float64 {
	if w == fromW && h == fromH {
		return 0
	}
	across, down := taps(fromW, w), taps(fromH, h)
	return float64(fromH)*float64(fromW+w*across) + float64(w)*float64(h*down)
}

// taps counts the source pixels of each of m pixels along a side of n.
func taps(n, m int) int {
	if n == m {
		return 1
	}
	return min(n, int(6*max(1, float64(n)/float64(m)))+1)
}

// softening counts the visits to a pixel by Canvas.Blur and Canvas.Sharpen.
func softening(w, h int, sigma float64) float64 {
	wide := 2*int(Reach(sigma)) + 1
	return float64(w) * float64(h) * float64(min(w, wide)+min(h, wide))
}

// Reach is the radius of a blur in pixels.
func Reach(sigma float64) float64 { return math.Ceil(3 * sigma) }
