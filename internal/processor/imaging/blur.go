package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// blur is a Gaussian blur. Its value is the standard deviation in pixels.
//
//	{"blur": 2.5}
type blur float64

func parseBlur(m params.Member, _ Limits) (Operation, error) {
	sigma, err := m.Number(0.1, maxSigma)
	return blur(sigma), err
}

func (blur) Name() string { return "blur" }

func (o blur) Cost(w, h int) (outW, outH int, work float64) {
	return w, h, softening(w, h, float64(o))
}

func (blur) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, false }

func (o blur) Apply(ctx context.Context, c Canvas, _ Limits) error {
	return c.Blur(ctx, float64(o))
}
