package processor_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor"
)

func sized(w, h int) job.Task { return job.Task{Input: job.Media{Width: w, Height: h}} }

// TestRoom sends a crowd of jobs of all sizes through a room of 10,000 pixels: they are
// never more at once, and all get in.
func TestRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		room := processor.NewImage(processor.ImageOptions{}).Room(size)
		var mu sync.Mutex // guards what follows
		var inside, most, jobs, large int64
		for range 500 {
			w, h := 1+rand.IntN(140), 1+rand.IntN(140)
			go func() {
				time.Sleep(rand.N(time.Minute))
				leave, err := room.Enter(t.Context(), sized(w, h))
				if err != nil {
					t.Errorf("%d x %d: %v", w, h, err)
					return
				}
				mu.Lock()
				n := int64(w * h)
				inside += n
				jobs++
				if n > size {
					large++
					if inside != n {
						t.Errorf("%d pixels are not alone: %d in all", n, inside)
					}
				} else if most = max(most, inside); inside > size {
					t.Errorf("%d pixels at once", inside)
				}
				mu.Unlock()
				time.Sleep(rand.N(time.Second))
				mu.Lock()
				inside -= n
				mu.Unlock()
				leave()
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if jobs != 500 || large == 0 || most < size/2 {
			t.Errorf("%d jobs, %d of them large, %d pixels at most", jobs, large, most)
		}
	})
}

// TestRoomIsFair has a large job wait: small ones that come later do not pass it by for
// ever, and wait for no more than those before it and itself.
func TestRoomIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		room := processor.NewImage(processor.ImageOptions{}).Room(100)
		begun := time.Now()
		entered := map[int]time.Duration{}
		var mu sync.Mutex                         // guards entered
		for i, side := range []int{9, 10, 1, 2} { // 81, 100, 1 and 4 pixels, each for a minute
			go func() {
				leave, err := room.Enter(t.Context(), sized(side, side))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				entered[i] = time.Since(begun)
				mu.Unlock()
				time.Sleep(time.Minute)
				leave()
			}()
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := []time.Duration{0, time.Minute, 2 * time.Minute, 2 * time.Minute}; !slices.Equal(want, []time.Duration{entered[0], entered[1], entered[2], entered[3]}) {
			t.Errorf("they entered after %v, want %v", entered, want)
		}
	})
}

// TestRoomOfAJob finds out how many pixels a job takes up, by what is left beside it.
func TestRoomOfAJob(t *testing.T) {
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
			room := processor.NewImage(processor.ImageOptions{MaxPixels: size}).Room(size)
			task := sized(tt.w, tt.h)
			if tt.params != "" {
				task.Params = json.RawMessage(tt.params)
			}
			if _, err := room.Enter(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			at := func(n int) error { // whether n more pixels have room
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				defer cancel()
				leave, err := room.Enter(ctx, sized(n, 1))
				if err == nil {
					leave()
				}
				return err
			}
			if err := at(size - tt.want); tt.want < size && err != nil {
				t.Errorf("it takes up more than %d pixels", tt.want)
			}
			if err := at(size - tt.want + 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it takes up less than %d pixels", tt.want)
			}
		})
	}
}
