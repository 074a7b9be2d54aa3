package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// fit scales the picture down to fit the box, keeping the ratio. It never enlarges. A
// side of zero is unbounded.
//
//	{"fit": {"width": 800, "height": 600}}    one side is optional
type fit struct{ width, height int }

func parseFit(m params.Member, _ Limits) (Operation, error) {
	w, h, err := parseSize(m)
	if err == nil && w == 0 && h == 0 {
		err = needsSize(m)
	}
	return fit{w, h}, err
}

func (fit) Name() string { return "fit" }

func (o fit) size(w, h int) (int, int) {
	scale := 1.0
	if o.width > 0 {
		scale = min(scale, float64(o.width)/float64(w))
	}
	if o.height > 0 {
		scale = min(scale, float64(o.height)/float64(h))
	}
	return scaled(w, scale), scaled(h, scale)
}

func (o fit) Cost(w, h int) (outW, outH int, work float64) {
	outW, outH = o.size(w, h)
	return outW, outH, resampling(w, h, outW, outH)
}

func (o fit) Needs(w, h int) (needW, needH int, indifferent bool) {
	needW, needH = o.size(w, h)
	return needW, needH, false
}

func (o fit) Apply(ctx context.Context, c Canvas, _ Limits) error {
	w, h := o.size(c.Size())
	return c.Resample(ctx, w, h)
}
