package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// rotate turns the picture clockwise by quarter turns.
//
//	{"rotate": 90}    or 180 or 270
type rotate int

func parseRotate(m params.Member, _ Limits) (Operation, error) {
	n, err := m.Integer(90, 270)
	if err == nil && n%90 != 0 {
		err = params.Invalid("rotate must be 90, 180 or 270")
	}
	return rotate(n / 90), err
}

func (rotate) Name() string { return "rotate" }

func (o rotate) Cost(w, h int) (outW, outH int, work float64) {
	if o%2 == 1 {
		return h, w, 0
	}
	return w, h, 0
}

func (rotate) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, true }

func (o rotate) Apply(_ context.Context, c Canvas, _ Limits) error { return c.Rotate(int(o)) }
