package telemetry

import (
	"context"
	"fmt"

	smithy "github.com/aws/smithy-go/tracing"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// AWS returns the TracerProvider option of an AWS client: one span for each call. It
// omits the dozen internal spans of the SDK, and calls outside any trace, such as the
// endless polling for messages.
func (p Providers) AWS() smithy.TracerProvider {
	if !p.tracing() {
		return &smithy.NopTracerProvider{}
	}
	return awsTracing{p.Tracer}
}

type awsTracing struct{ otel trace.TracerProvider }

func (t awsTracing) Tracer(scope string, _ ...smithy.TracerOption) smithy.Tracer {
	return awsTracer{t.otel.Tracer(scope)}
}

type awsTracer struct{ otel trace.Tracer }

// StartSpan always pushes a span: a client may pop the top one (smithy's PopSpan) and end
// it, which must not be the call's.
func (t awsTracer) StartSpan(ctx context.Context, name string, opts ...smithy.SpanOption) (context.Context, smithy.Span) {
	var o smithy.SpanOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.Kind != smithy.SpanKindClient || !trace.SpanContextFromContext(ctx).IsValid() {
		dropped := droppedSpan{name: name}
		if around, ok := smithy.GetSpan(ctx); ok {
			dropped.around = around
		}
		return smithy.WithSpan(ctx, dropped), dropped
	}
	ctx, span := t.otel.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	s := awsSpan{span, name}
	for key, value := range o.Properties.Values() {
		s.SetProperty(key, value)
	}
	return smithy.WithSpan(ctx, s), s
}

// awsSpan is the span of one call.
type awsSpan struct {
	otel trace.Span
	name string
}

func (s awsSpan) Name() string { return s.name }

func (s awsSpan) Context() smithy.SpanContext {
	sc := s.otel.SpanContext()
	return smithy.SpanContext{TraceID: sc.TraceID().String(), SpanID: sc.SpanID().String(), IsRemote: sc.IsRemote()}
}

func (s awsSpan) AddEvent(name string, _ ...smithy.EventOption) { s.otel.AddEvent(name) }

func (s awsSpan) SetStatus(status smithy.SpanStatus) {
	if status == smithy.SpanStatusError {
		s.otel.SetStatus(codes.Error, "")
	}
}

// SetProperty keeps numbers and flags. It filters texts like the logs, since an error may
// contain a presigned URL.
func (s awsSpan) SetProperty(k, v any) {
	key := fmt.Sprint(k)
	switch v := v.(type) {
	case bool:
		s.otel.SetAttributes(attribute.Bool(key, v))
	case int:
		s.otel.SetAttributes(attribute.Int(key, v))
	case int64:
		s.otel.SetAttributes(attribute.Int64(key, v))
	default:
		s.otel.SetAttributes(attribute.String(key, guardText(fmt.Sprint(v))))
	}
}

func (s awsSpan) End() { s.otel.End() }

// droppedSpan takes the place of a span that is not recorded. It passes attributes of the answer
// on to the span around it.
type droppedSpan struct {
	name   string
	around smithy.Span // nil: none
}

func (s droppedSpan) Name() string { return s.name }

func (s droppedSpan) Context() smithy.SpanContext {
	if s.around == nil {
		return smithy.SpanContext{}
	}
	return s.around.Context()
}

func (s droppedSpan) SetProperty(k, v any) {
	if s.around == nil {
		return
	}
	switch k {
	case "http.status_code", "operation.attempt", "aws.request_id":
		s.around.SetProperty(k, v)
	}
}

func (droppedSpan) AddEvent(string, ...smithy.EventOption) {}
func (droppedSpan) SetStatus(smithy.SpanStatus)            {}
func (droppedSpan) End()                                   {}
