package imaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
)

func sized(w, h int) job.Task { return job.Task{Input: job.Media{Width: w, Height: h}} }

// TestLimiter sends many jobs of all sizes through a limiter of 10,000 pixels: they never
// exceed it, except for small ones in the reserve, and all get in.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		limiter := builtin(imaging.Limits{}).Limiter(size)
		var mu sync.Mutex                          // guards the variables below
		var inside, small, most, jobs, large int64 // small: those inside that may use the reserve
		for range 500 {
			w, h := 1+rand.IntN(140), 1+rand.IntN(140)
			go func() {
				time.Sleep(rand.N(time.Minute))
				leave, err := limiter.Acquire(t.Context(), sized(w, h))
				if err != nil {
					t.Errorf("%d x %d: %v", w, h, err)
					return
				}
				mu.Lock()
				n := min(int64(w*h), size)
				inside += n
				jobs++
				if n <= size/4 {
					small += n
				}
				if n == size {
					large++
				}
				if most = max(most, inside); inside-small > size || inside > size+size/4 {
					t.Errorf("%d pixels at once, %d of them in small pictures", inside, small)
				}
				mu.Unlock()
				time.Sleep(rand.N(time.Second))
				mu.Lock()
				inside -= n
				if n <= size/4 {
					small -= n
				}
				mu.Unlock()
				leave()
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if jobs != 500 || large == 0 || most <= size {
			t.Errorf("%d jobs, %d of them large, %d pixels at most", jobs, large, most)
		}
	})
}

// TestLimiterIsFair has a large job wait. Small jobs that arrive later go on in the
// reserve, those of middle size wait only for the jobs before them, and a job that gives
// up leaves no gap.
func TestLimiterIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const minute = time.Minute
		limiter := builtin(imaging.Limits{}).Limiter(100) // and 25
		jobs := []struct{ pixels, patience, entered time.Duration }{
			{pixels: 81, entered: 0},
			{pixels: 100, entered: minute},
			{pixels: 20, entered: 0},
			{pixels: 26, patience: minute / 2, entered: -1},
			{pixels: 40, entered: 2 * minute},
			{pixels: 25, entered: 2 * minute},
			{pixels: 5, entered: 0},
			{pixels: 1, entered: minute},
		}
		begun := time.Now()
		for i, j := range jobs { // each for a minute
			go func() {
				ctx := t.Context()
				if j.patience > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, j.patience)
					defer cancel()
				}
				entered := time.Duration(-1)
				if leave, err := limiter.Acquire(ctx, sized(int(j.pixels), 1)); err == nil {
					defer leave()
					entered = time.Since(begun)
				}
				if entered != j.entered {
					t.Errorf("job %d of %d pixels entered after %v, want %v", i, j.pixels, entered, j.entered)
				}
				time.Sleep(minute)
			}()
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

// TestWeightOfAJob measures the pixels of a job by what remains free beside it.
func TestWeightOfAJob(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		w, h   int
		params string
		want   int
	}{
		"default":                     {30, 20, ``, 600},
		"made smaller":                {30, 20, `{"width": 3}`, 600},
		"filled":                      {3, 2, `{"ops": [{"fill": {"width": 20, "height": 10}}]}`, 200},
		"enlarged":                    {3, 2, `{"ops": [{"resize": {"width": 20, "height": 10}}]}`, 200},
		"by its ratio, either way up": {4, 2, `{"ops": [{"resize": {"width": 10}}]}`, 200},
		"a part enlarged":             {4, 2, `{"ops": [{"crop": {"width": 1, "height": 1}}, {"resize": {"height": 10}}]}`, 100},
		"turned, then enlarged":       {8, 2, `{"ops": [{"crop": {"width": 2, "height": 1}}, {"rotate": 90}, {"resize": {"width": 10}}]}`, 200},
		"of unknown size":             {0, 0, ``, 900},
		"larger than allowed":         {40, 40, ``, 900},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 900
			limiter := builtin(imaging.Limits{MaxPixels: size}).Limiter(size)
			empty, err := limiter.Acquire(t.Context(), sized(size, 1))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := limiter.Acquire(t.Context(), sized(size/4, 1)); err != nil { // to fill the reserve
				t.Fatal(err)
			}
			empty()
			task := sized(tt.w, tt.h)
			if tt.params != "" {
				task.Params = json.RawMessage(tt.params)
			}
			if _, err := limiter.Acquire(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			over, cancel := context.WithCancel(t.Context())
			cancel()
			at := func(n int) error { // whether n more pixels are free at once
				leave, err := limiter.Acquire(over, sized(n, 1))
				if err == nil {
					leave()
				}
				return err
			}
			if err := at(size - tt.want); tt.want < size && err != nil {
				t.Errorf("it takes up more than %d pixels", tt.want)
			}
			if err := at(size - tt.want + 1); !errors.Is(err, context.Canceled) {
				t.Errorf("it takes up less than %d pixels", tt.want)
			}
		})
	}
}
