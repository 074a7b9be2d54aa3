package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// grayscale makes every pixel gray.
//
//	{"grayscale": true}
type grayscale struct{}

func parseGrayscale(m params.Member, _ Limits) (Operation, error) {
	return grayscale{}, m.True()
}

func (grayscale) Name() string { return "grayscale" }

func (grayscale) Cost(w, h int) (outW, outH int, work float64) { return w, h, 0 }

func (grayscale) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, true }

func (grayscale) Apply(_ context.Context, c Canvas, _ Limits) error { return c.Gray() }
