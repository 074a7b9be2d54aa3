package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// BenchmarkPeakMemory prints the peak resident memory of cmd/server for uploads of
// several sizes, each in its own process: rss-MiB, and over-1MB-MiB, the excess over one
// upload of 1 MB.
func BenchmarkPeakMemory(b *testing.B) {
	var base int64
	for _, load := range []struct {
		uploads int
		size    int64
	}{{1, mib}, {1, 100 * mib}, {1, 1024 * mib}, {64, 20 * mib}} {
		b.Run(fmt.Sprintf("%dx%dMiB", load.uploads, load.size/mib), func(b *testing.B) {
			var peak int64
			for b.Loop() {
				peak = peakOf(b, load.uploads, load.size)
			}
			if base == 0 {
				base = peak
			}
			if load.uploads == 1 && load.size == 100*mib && peak-base > 40e6 {
				b.Errorf("an upload of 100 MiB takes %d bytes more than one of 1 MiB; 40 MB are allowed", peak-base)
			}
			b.ReportMetric(float64(peak)/mib, "rss-MiB")
			b.ReportMetric(float64(peak-base)/mib, "over-1MB-MiB")
			b.SetBytes(int64(load.uploads) * load.size)
		})
	}
}

func peakOf(b *testing.B, uploads int, size int64) int64 {
	b.StopTimer()
	env := awstest.Start(b)
	d := service.Open(b, env, "server", "MAX_IMAGE_BYTES=2GiB", "LOG_LEVEL=error")
	head := apptest.Photograph(b)
	b.StartTimer()
	var wg sync.WaitGroup
	for range uploads {
		wg.Go(func() {
			// A JPEG with data after its end is still a JPEG.
			body := io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, size-int64(len(head))))
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, d.URL+"/jobs", body)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "image/jpeg")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				text, _ := io.ReadAll(resp.Body)
				b.Errorf("%s: %s", resp.Status, text)
			}
		})
	}
	wg.Wait()
	peak, err := d.PeakRSS()
	if err != nil {
		b.Fatal(err)
	}
	d.Kill()
	return peak
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
