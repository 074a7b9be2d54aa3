package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"claimcheck.example/internal/telemetry"
)

var encoder = attribute.DefaultEncoder()

// measuring returns providers and a function that reads their measurements:
// "name{attributes} unit" to the sum or the last value; for a histogram the sum, and the
// count under "count of name".
func measuring(t *testing.T) (p telemetry.Providers, read func() map[string]float64) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	p = telemetry.Off()
	p.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	return p, func() map[string]float64 {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, s := range all.ScopeMetrics {
			for _, m := range s.Metrics {
				if m.Description == "" {
					t.Errorf("%s has no description", m.Name)
				}
				switch data := m.Data.(type) {
				case metricdata.Sum[int64]:
					if !data.IsMonotonic {
						t.Errorf("%s may fall", m.Name)
					}
					for _, point := range data.DataPoints {
						got[m.Name+label(point)+" "+m.Unit] = float64(point.Value)
					}
				case metricdata.Gauge[float64]:
					for _, point := range data.DataPoints {
						got[m.Name+label(point)+" "+m.Unit] = point.Value
					}
				case metricdata.Histogram[float64]:
					for _, point := range data.DataPoints {
						set := "{" + point.Attributes.Encoded(encoder) + "}"
						got[m.Name+set+" "+m.Unit] = point.Sum
						got["count of "+m.Name+set] = float64(point.Count)
					}
				default:
					t.Errorf("%s is a %T", m.Name, data)
				}
			}
		}
		return got
	}
}

func label[N int64 | float64](point metricdata.DataPoint[N]) string {
	return "{" + point.Attributes.Encoded(encoder) + "}"
}

func TestEveryEventIsCounted(t *testing.T) {
	t.Parallel()
	p, read := measuring(t)
	m, err := telemetry.NewMetrics(p.Meter)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	m.Accepted(ctx, 1000)
	m.Accepted(ctx, 500)
	m.Refused(ctx, "too_large")
	m.Refused(ctx, "too_large")
	m.Refused(ctx, "denied")
	m.Ended(ctx, telemetry.End{Outcome: "completed", InQueue: 1500 * time.Millisecond, InWork: 250 * time.Millisecond, Bytes: 77})
	m.Ended(ctx, telemetry.End{Outcome: "completed", InQueue: 500 * time.Millisecond, InWork: 250 * time.Millisecond, Bytes: 3})
	m.Ended(ctx, telemetry.End{Outcome: "failed", InQueue: time.Minute, InWork: time.Second})
	m.Abandoned(ctx)
	m.Received(ctx, 40*time.Second)
	m.Received(ctx, 3*time.Second)
	m.Request(ctx, "POST", "/jobs", 202, 125*time.Millisecond)
	m.Request(ctx, "POST", "/jobs", 202, 125*time.Millisecond)
	m.Request(ctx, "BREW", "", 405, time.Second)

	want := map[string]float64{
		"claimcheck.jobs.accepted{} {job}":                          2,
		"claimcheck.images.received{} By":                           1500,
		"claimcheck.jobs.refused{reason=too_large} {job}":           2,
		"claimcheck.jobs.refused{reason=denied} {job}":              1,
		"claimcheck.jobs.ended{outcome=completed} {job}":            2,
		"claimcheck.jobs.ended{outcome=failed} {job}":               1,
		"claimcheck.worker.abandoned{} {job}":                       1,
		"claimcheck.images.produced{} By":                           80,
		"claimcheck.job.queue.duration{outcome=completed} s":        2,
		"count of claimcheck.job.queue.duration{outcome=completed}": 2,
		"claimcheck.job.queue.duration{outcome=failed} s":           60,
		"count of claimcheck.job.queue.duration{outcome=failed}":    1,
		"claimcheck.job.work.duration{outcome=completed} s":         0.5,
		"count of claimcheck.job.work.duration{outcome=completed}":  2,
		"claimcheck.job.work.duration{outcome=failed} s":            1,
		"count of claimcheck.job.work.duration{outcome=failed}":     1,
		"claimcheck.queue.age{} s":                                  3,
		request("POST", "202", "/jobs") + " s":                      0.25,
		"count of " + request("POST", "202", "/jobs"):               2,
		request("_OTHER", "405", "") + " s":                         1,
		"count of " + request("_OTHER", "405", ""):                  1,
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func request(method, status, route string) string {
	return "http.server.request.duration{http.request.method=" + method + ",http.response.status_code=" + status + ",http.route=" + route + "}"
}

func TestRequestsAreMeasuredByRoute(t *testing.T) {
	t.Parallel()
	p, read := measuring(t)
	h := handler(t, p, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/jobs":
			w.WriteHeader(http.StatusAccepted)
		case strings.HasPrefix(r.URL.Path, "/jobs/"):
			panic(http.ErrAbortHandler)
		}
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/jobs", nil))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/strangers/invention", nil))
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the abort did not come through")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/jobs/1", nil))
	}()
	got := read()
	for _, name := range []string{request("POST", "202", "/jobs"), request("GET", "200", ""), request("GET", "200", "/jobs/{job_id}")} {
		if got["count of "+name] != 1 {
			t.Errorf("%s was measured %v times, want once", name, got["count of "+name])
		}
	}
	if len(got) != 6 {
		t.Errorf("more than was asked: %v", got)
	}
}

func BenchmarkEndedOff(b *testing.B) {
	m, err := telemetry.NewMetrics(telemetry.Off().Meter)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Ended(b.Context(), telemetry.End{Outcome: "completed"})
	}
}
