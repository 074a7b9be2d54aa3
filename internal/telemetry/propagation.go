package telemetry

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxTraceState is the length up to which W3C Trace Context requires that tracestate is
// passed on. Longer values are dropped.
const maxTraceState = 512

// Inject returns the W3C trace context (traceparent, tracestate) of ctx for a queue
// message; nil when there is none. Without tracing it is that of the incoming request.
func Inject(ctx context.Context) map[string]string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if len(carrier["tracestate"]) > maxTraceState {
		delete(carrier, "tracestate")
	}
	if len(carrier) == 0 {
		return nil
	}
	return carrier
}

// Extract returns a context in the trace that [Inject] wrote into carrier; ctx itself
// when carrier has no valid trace.
func Extract(ctx context.Context, carrier map[string]string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(carrier))
}

// incoming reads the trace of a request: W3C's header, else Google Cloud's older one.
type incoming struct{ propagation.TraceContext }

const cloudTraceHeader = "X-Cloud-Trace-Context"

func (p incoming) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	if found := p.TraceContext.Extract(ctx, carrier); trace.SpanContextFromContext(found).IsValid() {
		return found
	}
	if sc := parseCloudTrace(carrier.Get(cloudTraceHeader)); sc.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	return ctx
}

func (p incoming) Fields() []string { return append(p.TraceContext.Fields(), cloudTraceHeader) }

// parseCloudTrace parses "TRACE_ID/SPAN_ID;o=OPTIONS": 32 hexadecimal digits, a decimal
// number, and 1 for a sampled trace. The result is invalid if the value is.
func parseCloudTrace(value string) trace.SpanContext {
	ids, options, _ := strings.Cut(value, ";")
	first, second, _ := strings.Cut(ids, "/")
	traceID, err := trace.TraceIDFromHex(strings.ToLower(first))
	if err != nil {
		return trace.SpanContext{}
	}
	number, err := strconv.ParseUint(second, 10, 64)
	if err != nil {
		return trace.SpanContext{}
	}
	var spanID trace.SpanID
	binary.BigEndian.PutUint64(spanID[:], number)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, Remote: true,
		TraceFlags: trace.TraceFlags(0).WithSampled(options == "o=1"),
	})
}
