package cost_test

import (
	"testing"

	"claimcheck.example/internal/cost"
)

// TestEstimateByHand leaves out what is free each month.
func TestEstimateByHand(t *testing.T) {
	t.Parallel()
	p := cost.Published()
	const requests = 7*0.005/1000 + 2*0.0004/1000 + 3*0.4/1e6
	for name, tt := range map[string]struct{ got, want float64 }{
		"nothing":         {p.Estimate(0, 0, 0, 0, true), 0},
		"requests":        {p.Estimate(7, 2, 3, 0, false), requests},
		"in groups":       {p.Estimate(7, 2, 3, 0, true), requests + 3*0.1/1e6},
		"processing time": {p.Estimate(0, 0, 0, 10, true), 10 * (0.000018 + 2*0.000002)},
	} {
		if d := tt.got - tt.want; d > 1e-11 || d < -1e-11 {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}
