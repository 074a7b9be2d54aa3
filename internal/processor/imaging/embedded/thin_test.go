package embedded_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"runtime"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// TestThinPictures measures the allocations for pictures of extreme shape, which are
// small files of few pixels: they may exceed those of other shapes by a fixed amount
// only. It is not parallel, since it counts all allocations of the process.
func TestThinPictures(t *testing.T) {
	const most = 40_000 // pixels, of the image and of the result
	tests := []struct {
		w, h   int
		params string
	}{
		{1, most, ``},
		{most, 1, ``},
		{1, most, `{"ops": [{"blur": 50}]}`},
		{most, 1, `{"ops": [{"blur": 50}]}`},
		{most, 1, `{"ops": [{"sharpen": {"sigma": 0.5}}]}`},
		{1, most, `{"ops": [{"resize": {"width": 1, "height": 1}}]}`},
		{200, 200, `{"ops": [{"resize": {"width": 200, "height": 1}}]}`},
		{1, 1, `{"ops": [{"resize": {"width": 16384, "height": 1}}]}`},
		{1, 1, `{"ops": [{"resize": {"width": 2, "height": 16384}}]}`},
	}
	for _, tt := range tests {
		data := imagingtest.PNG(t, image.NewNRGBA(image.Rect(0, 0, tt.w, tt.h)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), data, tt.params)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%d x %d, %s: %v", tt.w, tt.h, tt.params, err)
		}
		const fixed, each = 12 << 20, 80 // bytes, half of them for the PNG decoder and encoder
		if got := after.TotalAlloc - before.TotalAlloc; got > fixed+each*most {
			t.Errorf("%d x %d, %s: %d MB are allocated", tt.w, tt.h, tt.params, got/1e6)
		}
	}
}

// TestThinPicturesEnd cancels the work on a picture of extreme shape.
func TestThinPicturesEnd(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{X: 1, Y: 900_000}, {X: 900_000, Y: 1}} {
		data := imagingtest.PNG(t, image.NewGray(image.Rectangle{Max: size}))
		blur, begun := `{"blur": 50}`, 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := builtin(imaging.Limits{}).Process(ctx, job.Task{
			Image:  bytes.NewReader(data),
			Params: json.RawMessage(`{"ops": [` + blur + strings.Repeat(`, `+blur, 15) + `]}`),
			Progress: func(_ float64, note string) {
				if note == "blur" {
					begun++
					cancel()
				}
			},
		})
		if err != context.Canceled || begun != 1 {
			t.Errorf("%v: got %v in operation %d, want canceled in the first", size, err, begun)
		}
	}
}
