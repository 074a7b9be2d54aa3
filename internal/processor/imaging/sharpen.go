package imaging

import (
	"context"

	"claimcheck.example/internal/processor/params"
)

// sharpen is an unsharp mask.
//
//	{"sharpen": {"sigma": 1, "amount": 1}}    both default to 1
type sharpen struct{ sigma, amount float64 }

func parseSharpen(m params.Member, _ Limits) (Operation, error) {
	s := sharpen{sigma: 1, amount: 1}
	members, err := params.Object(m.Key, m.Value)
	for _, v := range members {
		switch v.Key {
		case "sigma":
			s.sigma, err = v.Number(0.1, maxSigma)
		case "amount":
			s.amount, err = v.Number(0, maxAmount)
		default:
			err = v.Unknown("sigma", "amount")
		}
		if err != nil {
			return nil, err
		}
	}
	return s, err
}

func (sharpen) Name() string { return "sharpen" }

func (o sharpen) Cost(w, h int) (outW, outH int, work float64) {
	return w, h, softening(w, h, o.sigma)
}

func (sharpen) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, false }

func (o sharpen) Apply(ctx context.Context, c Canvas, _ Limits) error {
	return c.Sharpen(ctx, o.sigma, o.amount)
}
