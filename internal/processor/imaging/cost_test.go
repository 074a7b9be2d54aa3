package imaging_test

import (
	"encoding/json"
	"fmt"
	"image"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// TestTooCostlyJobsAreRefused checks that a submit and the work itself refuse the same jobs.
func TestTooCostlyJobsAreRefused(t *testing.T) {
	t.Parallel()
	blurs := func(n int, sigma float64) string {
		return `{"ops": [` + strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"blur": %g},`, sigma), n), ",") + `]}`
	}
	tests := []struct {
		w, h   int
		params string
		kind   job.Kind // zero: the job succeeds
	}{
		{1_000_000, 50, ``, 0},
		{1_000_001, 1, ``, job.TooLarge},
		{1, 1_000_001, `{"width": 1}`, job.TooLarge},
		{10_000, 5_000, blurs(1, 50), 0},
		{10_000, 5_000, blurs(16, 2), 0},
		{10_000, 5_000, blurs(4, 50), job.Invalid},
		{10_000, 5_000, `{"ops": [{"fit": {"width": 3000}}, ` + blurs(15, 20)[9:], 0},
		{4_000, 3_000, blurs(13, 50), 0},
		{4_000, 3_000, blurs(14, 50), job.Invalid},
		{50, 1_000_000, `{"ops": [{"resize": {"width": 16384, "height": 1}}]}`, 0}, // if it is stored sideways
		{1_000, 50_000, `{"ops": [{"resize": {"width": 16384, "height": 3000}}, ` + blurs(4, 50)[9:], job.Invalid},
		{16_000, 3_000, `{"ops": [{"resize": {"width": 3000, "height": 16000}}]}`, 0},
		{0, 0, blurs(16, 50), 0},
	}
	p := builtin(imaging.Limits{})
	for _, tt := range tests {
		err := p.CheckParams(job.Media{Width: tt.w, Height: tt.h}, json.RawMessage(tt.params))
		if job.KindOf(err) != tt.kind || tt.kind != 0 && job.MessageOf(err) == "" {
			t.Errorf("%d x %d, %s: got %v, want %v", tt.w, tt.h, tt.params, err, tt.kind)
		}
	}
	for _, tt := range tests {
		if tt.kind == 0 || tt.w*tt.h > 12_000_000 { // larger ones take too long
			continue
		}
		if _, _, err := processortest.Run(t, p, imagingtest.PNG(t, image.NewGray(image.Rect(0, 0, tt.w, tt.h))), tt.params); job.KindOf(err) != tt.kind {
			t.Errorf("%d x %d, %s: got %v, want %v", tt.w, tt.h, tt.params, err, tt.kind)
		}
	}
}
