package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// flip swaps left and right, or top and bottom.
//
//	{"flip": "horizontal"}    or "vertical"
type flip string

func parseFlip(m params.Member, _ Limits) (Operation, error) {
	s, err := m.Choice("horizontal", "vertical")
	return flip(s), err
}

func (flip) Name() string { return "flip" }

func (flip) Cost(w, h int) (outW, outH int, work float64) { return w, h, 0 }

func (flip) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, true }

func (o flip) Apply(_ context.Context, c Canvas, _ Limits) error {
	if o == "vertical" {
		if err := c.Rotate(2); err != nil {
			return err
		}
	}
	return c.Mirror()
}
