package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/service"
)

// collector receives traces and metrics by OTLP over HTTP.
type collector struct {
	mu      sync.Mutex                 // guards the fields below
	spans   map[string]tracedSpan      // by span id
	metrics map[string]map[string]bool // names by service
}

type tracedSpan struct {
	*tracepb.Span
	service string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	encoded, err := io.ReadAll(body)
	if err == nil {
		err = c.take(r.URL.Path, encoded)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) take(path string, encoded []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch path {
	case "/v1/traces":
		var in coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(encoded, &in); err != nil {
			return err
		}
		for _, from := range in.ResourceSpans {
			for _, scope := range from.ScopeSpans {
				for _, span := range scope.Spans {
					c.spans[string(span.SpanId)] = tracedSpan{span, serviceName(from.GetResource())}
				}
			}
		}
	case "/v1/metrics":
		var in colmetricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(encoded, &in); err != nil {
			return err
		}
		for _, from := range in.ResourceMetrics {
			service := serviceName(from.GetResource())
			if c.metrics[service] == nil {
				c.metrics[service] = map[string]bool{}
			}
			for _, scope := range from.ScopeMetrics {
				for _, m := range scope.Metrics {
					c.metrics[service][m.Name] = true
				}
			}
		}
	}
	return nil
}

func serviceName(r *resourcepb.Resource) string {
	for _, a := range r.GetAttributes() {
		if a.Key == "service.name" {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestOneTraceThroughBothProcesses: a server and a worker built with the exporters send a
// collector one trace of a job, from the submit to the worker's last call of S3, and
// their metrics, all of it before they stop.
func TestOneTraceThroughBothProcesses(t *testing.T) {
	t.Parallel()
	exporting, err := process.Source{Root: awstest.Module("."), Tags: "otlp,logapi"}.Build(t.Context(), nil, "server", "worker")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{spans: map[string]tracedSpan{}, metrics: map[string]map[string]bool{}}
	receiver := httptest.NewServer(c)
	defer receiver.Close()
	env := awstest.Start(t)
	vars := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL}
	server, worker := service.LaunchFrom(t, exporting, env, "server", vars...), service.LaunchFrom(t, exporting, env, "worker", vars...)
	server.AwaitReady(t)

	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	ct, body := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct,
		"traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	if end := apptest.Await(t, a.Header.Get("Location")); end.StatusCode != http.StatusCreated {
		t.Fatalf("job ends with %s: %s", end.Status, end.Bytes)
	}
	for name, p := range map[string]service.Service{"server": server, "worker": worker} {
		if err := p.Stop(2 * time.Minute); err != nil {
			t.Errorf("%s ends with %v: %s", name, err, p.Output())
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[string]bool{}
	for _, span := range c.spans {
		if hex.EncodeToString(span.TraceId) != traceID {
			continue
		}
		seen[span.service+" "+span.Name] = true
		if parent := hex.EncodeToString(span.ParentSpanId); parent != "00f067aa0ba902b7" {
			if _, ok := c.spans[string(span.ParentSpanId)]; !ok {
				t.Errorf("%s %s has the parent %s, which was not exported", span.service, span.Name, parent)
			}
		}
	}
	for _, want := range []string{
		"claimcheck-server POST /jobs", "claimcheck-server S3.PutObject", "claimcheck-server SQS.SendMessage",
		"claimcheck-worker process job", "claimcheck-worker S3.GetObject", "claimcheck-worker S3.PutObject",
	} {
		if !seen[want] {
			t.Errorf("the trace lacks %q; it has\n  %s", want, strings.Join(slices.Sorted(maps.Keys(seen)), "\n  "))
		}
	}
	for service, want := range map[string]string{"claimcheck-server": "claimcheck.jobs.accepted", "claimcheck-worker": "claimcheck.jobs.ended"} {
		if !c.metrics[service][want] {
			t.Errorf("%s did not tell %s, but %v", service, want, slices.Sorted(maps.Keys(c.metrics[service])))
		}
	}
}
