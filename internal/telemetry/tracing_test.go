package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithy "github.com/aws/smithy-go/tracing"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"claimcheck.example/internal/telemetry"
)

const (
	traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// recording returns providers that keep their spans.
func recording(t *testing.T) (telemetry.Providers, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	p := telemetry.Off()
	p.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	return p, spans
}

// handler returns an observed handler and its metrics.
func handler(t *testing.T, p telemetry.Providers, next http.HandlerFunc) http.Handler {
	t.Helper()
	m, err := telemetry.NewMetrics(p.Meter)
	if err != nil {
		t.Fatal(err)
	}
	return telemetry.Handler(telemetry.HandlerOptions{
		Providers: p, Metrics: m, Routes: []string{"/jobs", "GET /jobs/{job_id}", "/health"}, Quiet: []string{"/health"},
	}, next)
}

func TestTraceOfTheRequestIsPassedOn(t *testing.T) {
	t.Parallel()
	recorded, _ := recording(t)
	providers := map[string]telemetry.Providers{"off": telemetry.Off(), "on": recorded}
	tests := map[string]struct {
		header           http.Header
		trace, spanIfOff string // as passed on; empty for none
		sampled          string
	}{
		"W3C":                 {http.Header{"Traceparent": {traceparent}}, traceID, "00f067aa0ba902b7", "01"},
		"W3C not sampled":     {http.Header{"Traceparent": {strings.TrimSuffix(traceparent, "1") + "0"}}, traceID, "00f067aa0ba902b7", "00"},
		"Google":              {http.Header{"X-Cloud-Trace-Context": {strings.ToUpper(traceID) + "/67667974448284343;o=1"}}, traceID, "00f067aa0ba902b7", "01"},
		"Google not sampled":  {http.Header{"X-Cloud-Trace-Context": {traceID + "/67667974448284343"}}, traceID, "00f067aa0ba902b7", "00"},
		"both":                {http.Header{"Traceparent": {traceparent}, "X-Cloud-Trace-Context": {"00000000000000000000000000000001/1"}}, traceID, "00f067aa0ba902b7", "01"},
		"bad W3C":             {http.Header{"Traceparent": {"00-zz-00f067aa0ba902b7-01"}, "X-Cloud-Trace-Context": {traceID + "/67667974448284343;o=1"}}, traceID, "00f067aa0ba902b7", "01"},
		"Google without span": {http.Header{"X-Cloud-Trace-Context": {traceID}}, "", "", ""},
		"Google nonsense":     {http.Header{"X-Cloud-Trace-Context": {"x/1;o=1"}}, "", "", ""},
		"none":                {nil, "", "", ""},
	}
	for state, p := range providers {
		for name, tc := range tests {
			t.Run(state+"/"+name, func(t *testing.T) {
				t.Parallel()
				var carried map[string]string
				var out bytes.Buffer
				log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatGCP, Writer: &out, Project: "p"})
				h := handler(t, p, func(_ http.ResponseWriter, r *http.Request) {
					carried = telemetry.Inject(r.Context())
					log.InfoContext(r.Context(), "m")
				})
				r := httptest.NewRequest("POST", "/jobs", nil)
				r.Header = tc.header.Clone()
				if r.Header == nil {
					r.Header = http.Header{}
				}
				h.ServeHTTP(httptest.NewRecorder(), r)
				if tc.trace == "" {
					if state == "off" && carried != nil {
						t.Errorf("carried %v from nowhere", carried)
					}
					return
				}
				parts := strings.Split(carried["traceparent"], "-")
				if len(parts) != 4 || parts[1] != tc.trace || parts[3] != tc.sampled {
					t.Fatalf("carried %v, want trace %s, flags %s", carried, tc.trace, tc.sampled)
				}
				if own := parts[2] != tc.spanIfOff; own != (state == "on") {
					t.Errorf("span %s: one of our own? %v", parts[2], own)
				}
				got := line(t, out.Bytes())
				if got["logging.googleapis.com/trace"] != "projects/p/traces/"+tc.trace || got["logging.googleapis.com/spanId"] != parts[2] {
					t.Errorf("line %s is not of %v", &out, carried)
				}
			})
		}
	}
}

func TestCarrier(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want map[string]string }{
		"none":               {nil, nil},
		"nonsense":           {map[string]string{"traceparent": "00-0-0-0"}, nil},
		"trace":              {map[string]string{"traceparent": traceparent}, map[string]string{"traceparent": traceparent}},
		"with state":         {map[string]string{"traceparent": traceparent, "tracestate": "a=b"}, map[string]string{"traceparent": traceparent, "tracestate": "a=b"}},
		"with a lot of it":   {map[string]string{"traceparent": traceparent, "tracestate": "a=" + strings.Repeat("b", 255) + ",c=" + strings.Repeat("d", 255)}, map[string]string{"traceparent": traceparent}},
		"with other luggage": {map[string]string{"traceparent": traceparent, "baggage": "a=b"}, map[string]string{"traceparent": traceparent}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := telemetry.Inject(telemetry.Extract(t.Context(), tc.in))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzIncomingTrace(f *testing.F) {
	f.Add(traceparent, "a=b", traceID+"/1;o=1")
	f.Fuzz(func(t *testing.T, parent, state, cloud string) {
		h := handler(t, telemetry.Off(), func(_ http.ResponseWriter, r *http.Request) {
			carried := telemetry.Inject(r.Context())
			again := telemetry.Inject(telemetry.Extract(context.Background(), carried))
			if diff := cmp.Diff(carried, again); diff != "" {
				t.Errorf("does not come back as it went (-went +came):\n%s", diff)
			}
		})
		r := httptest.NewRequest("POST", "/jobs", nil)
		r.Header["Traceparent"] = []string{parent}
		r.Header["Tracestate"] = []string{state}
		r.Header["X-Cloud-Trace-Context"] = []string{cloud}
		h.ServeHTTP(httptest.NewRecorder(), r)
	})
}

// TestOneTraceFromSubmitToEnd follows a job: request, send, message, work, delete.
func TestOneTraceFromSubmitToEnd(t *testing.T) {
	t.Parallel()
	p, spans := recording(t)
	queue := sqsClient(t, p, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
			io.WriteString(w, `{"Messages":[]}`)
			return
		}
		io.WriteString(w, `{"MessageId":"m"}`)
	})
	var carried map[string]string
	h := handler(t, p, func(w http.ResponseWriter, r *http.Request) {
		carried = telemetry.Inject(r.Context())
		if _, err := queue.SendMessage(r.Context(), &sqs.SendMessageInput{QueueUrl: aws.String("http://q/1"), MessageBody: aws.String("b")}); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	r := httptest.NewRequest("POST", "/jobs?token=secret", nil)
	r.Header.Set("Traceparent", traceparent)
	h.ServeHTTP(httptest.NewRecorder(), r)

	// The worker polls outside any trace, then works inside the message's.
	if _, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String("http://q/1")}); err != nil {
		t.Error(err)
	}
	ctx, end := p.StartWork(t.Context(), carried, "j-1")
	if _, err := queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String("http://q/1"), ReceiptHandle: aws.String("r")}); err != nil {
		t.Error(err)
	}
	end(errors.New("put " + presigned))

	type span struct {
		Name, Parent string
		Kind         trace.SpanKind
		Status       codes.Code
	}
	names := map[trace.SpanID]string{}
	for _, s := range spans.Ended() {
		names[s.SpanContext().SpanID()] = s.Name()
		if s.SpanContext().TraceID().String() != traceID {
			t.Errorf("%s is in another trace", s.Name())
		}
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("%s holds a secret: %v", s.Name(), a)
			}
		}
		if strings.Contains(s.Status().Description, secret) {
			t.Errorf("%s holds a secret: %s", s.Name(), s.Status().Description)
		}
	}
	var got []span
	for _, s := range spans.Ended() {
		got = append(got, span{s.Name(), names[s.Parent().SpanID()], s.SpanKind(), s.Status().Code})
	}
	want := []span{
		{"SQS.SendMessage", "POST /jobs", trace.SpanKindClient, codes.Unset},
		{"POST /jobs", "", trace.SpanKindServer, codes.Unset},
		{"SQS.DeleteMessage", "process job", trace.SpanKindClient, codes.Unset},
		{"process job", "POST /jobs", trace.SpanKindConsumer, codes.Error},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// sqsClient returns a client of a queue that answers as respond does.
func sqsClient(t *testing.T, p telemetry.Providers, respond http.HandlerFunc) *sqs.Client {
	t.Helper()
	server := httptest.NewServer(respond)
	t.Cleanup(server.Close)
	return sqs.New(sqs.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), TracerProvider: p.AWS(),
		DisableMessageChecksumValidation: true,
	})
}

func TestFailedCallIsAnErrorSpan(t *testing.T) {
	t.Parallel()
	p, spans := recording(t)
	queue := sqsClient(t, p, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Requestid", "request-1")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"see `+presigned+`"}`)
	})
	ctx, end := p.StartWork(t.Context(), nil, "j-1")
	if _, err := queue.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")}); err == nil {
		t.Fatal("no error")
	}
	end(nil)
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Name() != "SQS.GetQueueUrl" || ended[0].Status().Code != codes.Error || ended[1].Status().Code != codes.Unset {
		t.Fatalf("spans: %v", ended)
	}
	attrs := map[string]string{}
	for _, a := range ended[0].Attributes() {
		attrs[string(a.Key)] = a.Value.String()
		if strings.Contains(a.Value.String(), secret) {
			t.Errorf("a secret in %v", a)
		}
	}
	for key, want := range map[string]string{
		"rpc.system": "aws-api", "rpc.service": "SQS", "rpc.method": "GetQueueUrl", "http.status_code": "400", "error": "true",
		"aws.request_id": "request-1",
	} {
		if attrs[key] != want {
			t.Errorf("%s = %q, want %q", key, attrs[key], want)
		}
	}
}

func TestPoppedSpanIsNotTheCall(t *testing.T) {
	t.Parallel()
	p, spans := recording(t)
	ctx, end := p.StartWork(t.Context(), nil, "j-1")
	defer end(nil)
	tracer := p.AWS().Tracer("test")
	ctx, call := tracer.StartSpan(ctx, "SQS.SendMessage", func(o *smithy.SpanOptions) { o.Kind = smithy.SpanKindClient })
	ctx, _ = tracer.StartSpan(ctx, "Serialize")
	ctx, popped := smithy.PopSpan(ctx)
	popped.End()
	if ended := spans.Ended(); len(ended) != 0 {
		t.Errorf("the end of an internal span ended %s", ended[0].Name())
	}
	if on, _ := smithy.GetSpan(ctx); on != call {
		t.Errorf("%s is on top, want the call", on.Name())
	}
	call.End()
	if ended := spans.Ended(); len(ended) != 1 {
		t.Errorf("%d spans, want the call's", len(ended))
	}
}

func TestTracingOffIsFree(t *testing.T) {
	t.Parallel()
	p, err := telemetry.OpenOTLP(t.Context(), telemetry.OTLPOptions{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(telemetry.Off(), p, cmp.AllowUnexported(telemetry.Providers{})); diff != "" {
		t.Errorf("(-off +got):\n%s", diff)
	}
	if _, ok := p.AWS().(*smithy.NopTracerProvider); !ok {
		t.Errorf("AWS calls are traced by %T", p.AWS())
	}
	if err := errors.Join(p.Flush(t.Context()), p.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestHealthChecksHaveNoSpans(t *testing.T) {
	t.Parallel()
	p, spans := recording(t)
	h := handler(t, p, func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/health", "/jobs/0198c0de", "/nothing"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/jobs", nil))
	var got []string
	for _, s := range spans.Ended() {
		got = append(got, s.Name())
	}
	if want := []string{"GET /jobs/{job_id}", "GET", "_OTHER /jobs"}; !slices.Equal(got, want) {
		t.Errorf("spans %q, want %q", got, want)
	}
}

func TestResponseWriterKeepsItsPowers(t *testing.T) {
	t.Parallel()
	recorded, _ := recording(t)
	for name, p := range map[string]telemetry.Providers{"off": telemetry.Off(), "on": recorded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler(t, p, func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				io.WriteString(w, "half of")
				if err := errors.Join(c.EnableFullDuplex(), c.Flush()); err != nil {
					t.Error(err)
				}
				conn, _, err := c.Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				conn.Close()
			}))
			defer server.Close()
			resp, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err == nil || string(body) != "half of" {
				t.Errorf("body %q, err %v; want it broken off", body, err)
			}
		})
	}
}

func TestWhatTheEnvironmentAsksFor(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := map[string]struct {
		env  map[string]string
		want string // in the error; empty for off
	}{
		"nothing":           {nil, ""},
		"disabled":          {map[string]string{endpoint: "http://x", "OTEL_SDK_DISABLED": "true"}, ""},
		"none":              {map[string]string{endpoint: "http://x", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, ""},
		"unknown exporter":  {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin is not supported"},
		"unknown metrics":   {map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER=prometheus is not supported"},
		"gRPC":              {map[string]string{endpoint: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported"},
		"gRPC for metrics":  {map[string]string{endpoint: "http://x", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc is not supported"},
		"gRPC, but nothing": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := telemetry.OpenOTLP(t.Context(), telemetry.OTLPOptions{Getenv: func(key string) string { return tc.env[key] }})
			if tc.want == "" {
				if diff := cmp.Diff(telemetry.Off(), p, cmp.AllowUnexported(telemetry.Providers{})); diff != "" || err != nil {
					t.Errorf("err %v, (-off +got):\n%s", err, diff)
				}
			} else if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestContextAttributesAreOnTheLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out})
	log.WithGroup("g").InfoContext(telemetry.With(t.Context(), slog.String("job_id", "j")), "m", "k", 1)
	if got := line(t, out.Bytes())["job_id"]; got != "j" {
		t.Errorf("job_id = %v in %s", got, &out)
	}
}
