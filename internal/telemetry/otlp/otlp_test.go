package otlp_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"claimcheck.example/internal/telemetry/otlp"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// collector receives OTLP over HTTP. When answer is set, it runs first and reports
// whether it has answered.
type collector struct {
	answer func(http.ResponseWriter, *http.Request) bool

	mu      sync.Mutex // guards the fields below
	traces  []*coltracepb.ExportTraceServiceRequest
	metrics []*colmetricspb.ExportMetricsServiceRequest
	headers http.Header
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.answer != nil && c.answer(w, r) {
		return
	}
	body := r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	encoded, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = r.Header
	var in, out proto.Message
	switch r.URL.Path {
	case "/v1/traces":
		req := &coltracepb.ExportTraceServiceRequest{}
		c.traces = append(c.traces, req)
		in, out = req, &coltracepb.ExportTraceServiceResponse{}
	case "/v1/metrics":
		req := &colmetricspb.ExportMetricsServiceRequest{}
		c.metrics = append(c.metrics, req)
		in, out = req, &colmetricspb.ExportMetricsServiceResponse{}
	default:
		http.NotFound(w, r)
		return
	}
	if err := proto.Unmarshal(encoded, in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := proto.Marshal(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(answer)
}

// exportTimeout bounds one export in these tests.
const exportTimeout = 8 * time.Second

// open sets the process's environment as an operator would and returns the providers and
// their errors. Tests that call it cannot run in parallel.
func open(t *testing.T, endpoint string, o otlp.Options) (*otlp.Providers, <-chan error) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=orchard")
	millis := strconv.FormatInt(exportTimeout.Milliseconds(), 10)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", millis)
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", millis)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=from-env")
	failures := make(chan error, 100)
	o.Service, o.Version = "claimcheck", "v1.2.3"
	o.OnError = func(err error) { failures <- err }
	p, err := otlp.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Shutdown(ctx) // the test itself checks errors of Shutdown
	})
	return p, failures
}

// record creates one span and one measurement.
func record(t *testing.T, p *otlp.Providers) {
	t.Helper()
	_, span := p.Tracer.Tracer("test").Start(t.Context(), "process job")
	span.End()
	counter, err := p.Meter.Meter("test").Int64Counter("jobs")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
}

func TestExport(t *testing.T) {
	for name, send := range map[string]func(*otlp.Providers, context.Context) error{
		"flush":    (*otlp.Providers).Flush,
		"shutdown": (*otlp.Providers).Shutdown,
	} {
		t.Run(name, func(t *testing.T) {
			c := &collector{}
			server := httptest.NewServer(c)
			defer server.Close()
			p, failures := open(t, server.URL, otlp.Options{Traces: true, Metrics: true})
			record(t, p)
			if err := send(p, t.Context()); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.traces) != 1 || len(c.metrics) != 1 {
				t.Fatalf("%d trace and %d metric requests, want one of each; %d errors", len(c.traces), len(c.metrics), len(failures))
			}
			spans := c.traces[0].ResourceSpans[0]
			if got := spans.ScopeSpans[0].Spans[0].Name; got != "process job" {
				t.Errorf("span %q", got)
			}
			metrics := c.metrics[0].ResourceMetrics[0]
			metric := metrics.ScopeMetrics[0].Metrics[0]
			if got := metric.GetSum().GetDataPoints()[0].GetAsInt(); metric.Name != "jobs" || got != 3 {
				t.Errorf("metric %v", metric)
			}
			for _, resource := range [][]*commonpb.KeyValue{spans.Resource.Attributes, metrics.Resource.Attributes} {
				attrs := map[string]string{}
				for _, a := range resource {
					attrs[a.Key] = a.Value.GetStringValue()
				}
				if attrs["service.name"] != "claimcheck" || attrs["service.version"] != "from-env" ||
					attrs["deployment.environment.name"] != "test" || attrs["service.instance.id"] == "" {
					t.Errorf("resource %v", attrs)
				}
			}
			if got := c.headers.Get("X-Tenant"); got != "orchard" {
				t.Errorf("header of OTEL_EXPORTER_OTLP_HEADERS = %q", got)
			}
			if len(failures) > 0 {
				t.Errorf("failed exports: %v", <-failures)
			}
		})
	}
}

func TestOneSignalAlone(t *testing.T) {
	for _, o := range []otlp.Options{{Traces: true}, {Metrics: true}} {
		c := &collector{}
		server := httptest.NewServer(c)
		p, _ := open(t, server.URL, o)
		record(t, p)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if (len(c.traces) == 1) != o.Traces || (len(c.metrics) == 1) != o.Metrics {
			t.Errorf("%+v: %d trace, %d metric requests", o, len(c.traces), len(c.metrics))
		}
		server.Close()
	}
}

func TestOutageIsReportedAndBounded(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(&collector{answer: func(http.ResponseWriter, *http.Request) bool {
		<-release
		panic(http.ErrAbortHandler)
	}})
	hanging.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer hanging.Close()
	end := sync.OnceFunc(func() { close(release) })
	defer end()
	refusing := httptest.NewServer(&collector{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no", http.StatusForbidden)
		return true
	}})
	defer refusing.Close()
	for name, endpoint := range map[string]string{
		"nothing listens": "http://127.0.0.1:1", "hanging": hanging.URL, "refusing": refusing.URL,
	} {
		t.Run(name, func(t *testing.T) {
			p, failures := open(t, endpoint, otlp.Options{Traces: true, Metrics: true})
			record(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := p.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown = %v", err)
			}
			if took := time.Since(start); took > exportTimeout*3/4 {
				t.Errorf("Shutdown took %v", took)
			}
			if name == "hanging" {
				end() // no need to wait for exportTimeout
			}
			for range 2 { // one of each signal
				select {
				case err := <-failures:
					t.Log(err)
				case <-time.After(10 * exportTimeout):
					t.Fatal("no error was reported")
				}
			}
		})
	}
}

// TestOutageDelaysOneFlush has the collector fail: the next flush makes no request and
// no error, and the first one after the pause sends everything.
func TestOutageDelaysOneFlush(t *testing.T) {
	var requests atomic.Int64
	var healthy atomic.Bool
	c := &collector{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		requests.Add(1)
		if !healthy.Load() {
			http.Error(w, "no", http.StatusForbidden)
		}
		return !healthy.Load()
	}}
	server := httptest.NewServer(c)
	defer server.Close()
	for pause, want := range map[time.Duration]int64{time.Hour: 0, time.Nanosecond: 1} {
		healthy.Store(false)
		p, _ := open(t, server.URL, otlp.Options{Traces: true, Pause: pause})
		record(t, p)
		p.Flush(t.Context()) // the test checks for failures elsewhere
		healthy.Store(true)
		requests.Store(0)
		record(t, p)
		if err := p.Flush(t.Context()); err != nil || requests.Load() != want {
			t.Errorf("with a pause of %s the next flush makes %d requests (%v), want %d", pause, requests.Load(), err, want)
		}
	}
}

func TestWrongResourceStopsTheStart(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no equals sign")
	if _, err := otlp.Open(t.Context(), otlp.Options{Traces: true}); err == nil {
		t.Error("no error")
	}
}
