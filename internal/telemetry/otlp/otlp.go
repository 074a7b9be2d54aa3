// Package otlp exports traces and metrics by OTLP over HTTP, as the standard OTEL_*
// variables of the process say.
//
// Only the build tag otlp links it into a binary: OpenTelemetry's exporters need gRPC,
// even those that use HTTP.
package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/google/uuid"
)

// Options select the exported signals and name the service.
type Options struct {
	// Service and Version name this program unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES do.
	Service, Version string
	// Traces and Metrics select the exported signals.
	Traces, Metrics bool
	// OnError receives each failed export, from any goroutine. Required.
	OnError func(error)
	// Pause is the time after a failed export in which no flush waits for the endpoint; zero
	// means 30 seconds.
	Pause time.Duration
}

// Providers export in the background what is recorded with them.
type Providers struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider

	flush, shutdown []func(context.Context) error
	pause           time.Duration
	failed          atomic.Pointer[time.Time] // time of the last failed export; nil for never
}

// Open returns providers that export. It does not wait for the endpoint, since a service
// must start without its telemetry. The caller must call Shutdown.
func Open(ctx context.Context, o Options) (*Providers, error) {
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", o.Service),
			attribute.String("service.version", o.Version),
			// Without it the counters of two instances would be one jumping series.
			attribute.String("service.instance.id", uuid.NewString()),
		),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("export telemetry: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	p := &Providers{Tracer: tracenoop.NewTracerProvider(), Meter: metricnoop.NewMeterProvider(), pause: cmp.Or(o.Pause, 30*time.Second)}
	onError := func(err error) {
		p.fail()
		o.OnError(err)
	}
	if o.Traces {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("export traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res),
			sdktrace.WithBatcher(spans{exporter, onError}))
		p.Tracer = provider
		p.flush = append(p.flush, provider.ForceFlush)
		p.shutdown = append(p.shutdown, provider.Shutdown)
	}
	if o.Metrics {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("export metrics: %w", err), p.Shutdown(ctx))
		}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics{exporter, onError})))
		p.Meter = provider
		p.flush = append(p.flush, provider.ForceFlush)
		p.shutdown = append(p.shutdown, provider.Shutdown)
	}
	return p, nil
}

// Flush sends what has been recorded, until ctx ends. In the pause after a failed export
// it leaves that to the background, so that an outage delays few flushes.
func (p *Providers) Flush(ctx context.Context) error {
	if failed := p.failed.Load(); failed != nil && time.Since(*failed) < p.pause {
		return nil
	}
	err := together(ctx, p.flush)
	if err != nil {
		p.fail()
	}
	return err
}

func (p *Providers) fail() {
	now := time.Now()
	p.failed.Store(&now)
}

// Shutdown flushes and ends the export, until ctx ends. Later records are dropped.
func (p *Providers) Shutdown(ctx context.Context) error { return together(ctx, p.shutdown) }

// together runs all functions at once, so that hanging traces do not use up the time of
// the metrics.
func together(ctx context.Context, calls []func(context.Context) error) error {
	results := make(chan error, len(calls))
	for _, call := range calls {
		go func() { results <- call(ctx) }()
	}
	var errs []error
	for range calls {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// spans reports failed exports to onError, and not to OpenTelemetry's process-wide error
// handler, which would write its own lines.
type spans struct {
	sdktrace.SpanExporter
	onError func(error)
}

func (s spans) ExportSpans(ctx context.Context, batch []sdktrace.ReadOnlySpan) error {
	if err := s.SpanExporter.ExportSpans(ctx, batch); err != nil {
		s.onError(fmt.Errorf("export %d spans: %w", len(batch), err))
	}
	return nil
}

// metrics does the same for metrics.
type metrics struct {
	sdkmetric.Exporter
	onError func(error)
}

func (m metrics) Export(ctx context.Context, batch *metricdata.ResourceMetrics) error {
	if err := m.Exporter.Export(ctx, batch); err != nil {
		m.onError(fmt.Errorf("export metrics: %w", err))
	}
	return nil
}
