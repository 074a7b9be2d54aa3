package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

const mib = 1 << 20

// TestSourceIsNotHeld has a server fetch an image that is larger than its memory may grow.
func TestSourceIsNotHeld(t *testing.T) {
	t.Parallel()
	const size, most = 96 * mib, 48 * mib
	if grown := sourceGrowth(t, size); grown > most {
		t.Errorf("a source of %d bytes takes %d bytes of memory more than one of 1 MiB, want at most %d", size, grown, most)
	}
}

// BenchmarkSourceMemory prints how much more memory cmd/server takes for a source of 200 MB
// than for one of 1 MiB.
func BenchmarkSourceMemory(b *testing.B) {
	const size = 200e6
	for b.Loop() {
		b.ReportMetric(float64(sourceGrowth(b, size))/mib, "over-1MB-MiB")
	}
	b.SetBytes(size)
}

// sourceGrowth is by how much the peak of a server's resident memory grows when it fetches a
// source of this size after one of 1 MiB.
func sourceGrowth(tb testing.TB, size int64) int64 {
	tb.Helper()
	head := apptest.Photograph(tb)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.URL.Path[1:], 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", r.URL.Path[1:])
		w.Write(head) // a JPEG with data after its end is still a JPEG
		io.Copy(w, io.LimitReader(zeros{}, n-int64(len(head))))
	}))
	defer host.Close()
	d := service.Open(tb, awstest.Start(tb), "server", "MAX_IMAGE_BYTES=1GiB", "OUTBOUND_ALLOW=127.0.0.1", "LOG_LEVEL=error")
	defer d.Kill()
	var peaks [2]int64
	for i, n := range []int64{mib, size} {
		a := apptest.Do(tb, http.MethodPost, fmt.Sprintf("%s/jobs?source=%s/%d", d.URL, host.URL, n), nil)
		if a.StatusCode != http.StatusAccepted {
			tb.Fatalf("a source of %d bytes: %s: %s", n, a.Status, a.Bytes)
		}
		var err error
		if peaks[i], err = d.PeakRSS(); err != nil {
			tb.Fatal(err)
		}
	}
	return peaks[1] - peaks[0]
}
