package imaging

import (
	"context"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/params"
)

// resize scales the picture to exactly that size. A side of zero keeps the ratio.
//
//	{"resize": {"width": 300, "height": 200}}    one side is optional
type resize struct{ width, height int }

func parseResize(m params.Member, limits Limits) (Operation, error) {
	w, h, err := parseSize(m)
	switch {
	case err != nil:
	case w == 0 && h == 0:
		err = needsSize(m)
	default:
		err = tooMany(m, w, h, limits)
	}
	return resize{w, h}, err
}

func (resize) Name() string { return "resize" }

func (o resize) size(w, h int) (int, int) {
	switch {
	case o.width == 0:
		return scaled(w, float64(o.height)/float64(h)), o.height
	case o.height == 0:
		return o.width, scaled(h, float64(o.width)/float64(w))
	}
	return o.width, o.height
}

func (o resize) Cost(w, h int) (outW, outH int, work float64) {
	outW, outH = o.size(w, h)
	return outW, outH, resampling(w, h, outW, outH)
}

func (o resize) Needs(w, h int) (needW, needH int, indifferent bool) {
	needW, needH = o.size(w, h)
	return needW, needH, false
}

func (o resize) Apply(ctx context.Context, c Canvas, limits Limits) error {
	w, h := o.size(c.Size())
	if w > maxSide || h > maxSide || int64(w)*int64(h) > limits.MaxPixels {
		return job.Errorf(job.TooLarge, "resize would make %d x %d pixels; the most is %d a side and %d altogether", w, h, maxSide, limits.MaxPixels)
	}
	return c.Resample(ctx, w, h)
}
