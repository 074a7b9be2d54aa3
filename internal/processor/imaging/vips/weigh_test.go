package vips_test

import (
	"encoding/json"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/vips"
)

func TestWeigh(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 1})
	tests := []struct {
		contentType, params string
		w, h                int
		pixels              int64
		least, most         int64
	}{
		// Seven photographs of telephones fit at once where four did before.
		{imageinfo.JPEG, ``, 4000, 3000, 0, 6_000_000, 7_000_000},
		{imageinfo.JPEG, `{"ops": []}`, 4000, 3000, 0, 12_000_000, 12_000_000},
		{imageinfo.HEIC, ``, 4000, 3000, 0, 13_000_000, 14_000_000},
		{imageinfo.JPEG, `{"format": "jxl"}`, 4000, 3000, 0, 14_000_000, 16_000_000},
		{imageinfo.JPEG, `{"ops": [{"resize": {"width": 100}}]}`, 4000, 100, 0, 200_000, 400_000}, // if it is stored sideways
		{imageinfo.GIF, `{"animated": true}`, 100, 100, 1_000_000, 2_000_000, 2_100_000},
	}
	for _, tt := range tests {
		plan, err := imaging.Parse(json.RawMessage(tt.params), imaging.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got := e.Weigh(job.Media{ContentType: tt.contentType, Width: tt.w, Height: tt.h, Pixels: tt.pixels}, plan)
		if got < tt.least || got > tt.most {
			t.Errorf("%s of %d x %d with %s: got %d, want %d to %d", tt.contentType, tt.w, tt.h, tt.params, got, tt.least, tt.most)
		}
	}
}
