package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope names the spans and instruments of this service.
const scope = "claimcheck.example/internal/telemetry"

// StartWork returns a context in the trace of a message, inside a span for the work on
// the job, so that one trace leads from the submit to the end of the work. The caller
// calls end once, with the error of the work.
func (p Providers) StartWork(ctx context.Context, carrier map[string]string, jobID string) (_ context.Context, end func(error)) {
	ctx, span := p.Tracer.Tracer(scope).Start(Extract(ctx, carrier), "process job",
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("messaging.system", "aws_sqs"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("claimcheck.job.id", jobID),
		))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, guardText(err.Error()))
		}
		span.End()
	}
}
