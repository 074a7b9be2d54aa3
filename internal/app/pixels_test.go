package app_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestWorkerPixels counts the images that a worker has in hand at once, from the read of
// the input to the write of the output: whatever CONCURRENCY says, they have no more
// pixels than WORKER_PIXELS together.
func TestWorkerPixels(t *testing.T) {
	t.Parallel()
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 800, 500)), nil); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		pixels string
		most   int
	}{
		"one at once": {"100000", 1},
		"two at once": {"1000000", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := apptest.Start(t, "CONCURRENCY=4", "WORKER_PIXELS="+tt.pixels)
			var inHand, most int
			s.Backend.Fail(func(r apptest.Request) apptest.Fault { // one call at a time
				switch {
				case r.Method == http.MethodGet && strings.HasPrefix(r.Key, "input/"):
					inHand++
					most = max(most, inHand)
				case r.Method == http.MethodPut && strings.HasPrefix(r.Key, "output/"):
					inHand--
				}
				return apptest.Pass
			})
			var locations []string
			for range 6 {
				locations = append(locations, s.Submit(t, picture.Bytes()).Header.Get("Location"))
			}
			stop := s.StartWorker(t)
			for _, location := range locations {
				if got := apptest.Await(t, location).JSON(t); got["status"] != "completed" || got["attempts"] != 1.0 {
					t.Errorf("in the end %v", got)
				}
			}
			stop()
			if most < 1 || most > tt.most {
				t.Errorf("%d were in hand at once, want %d at most", most, tt.most)
			}
		})
	}
}
