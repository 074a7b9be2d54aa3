package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Providers are the destination of spans and measurements. [Off] discards them.
type Providers struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	export exporter // nil when nothing is exported
}

type exporter interface {
	Flush(context.Context) error
	Shutdown(context.Context) error
}

// Off returns providers that keep nothing and cost nothing: no goroutine, no memory.
// Requests still pass their trace on and log it.
func Off() Providers {
	return Providers{Tracer: tracenoop.NewTracerProvider(), Meter: metricnoop.NewMeterProvider()}
}

// Flush sends what has been recorded, until ctx ends. Call it before a function freezes.
func (p Providers) Flush(ctx context.Context) error {
	if p.export == nil {
		return nil
	}
	return p.export.Flush(ctx)
}

// Exports reports whether anything is exported.
func (p Providers) Exports() bool { return p.export != nil }

// Shutdown flushes and ends the export, until ctx ends.
func (p Providers) Shutdown(ctx context.Context) error {
	if p.export == nil {
		return nil
	}
	return p.export.Shutdown(ctx)
}

// tracing reports whether spans are recorded.
func (p Providers) tracing() bool {
	_, off := p.Tracer.(tracenoop.TracerProvider)
	return !off
}

// OTLPOptions configure OpenOTLP.
type OTLPOptions struct {
	// Getenv reads the environment to decide whether to export. The exporter itself reads
	// the other OTEL_* variables from the process.
	Getenv func(string) string
	// Service and Version name this program unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES do.
	Service, Version string
	// Logger records failed exports.
	Logger *slog.Logger
}

// OpenOTLP returns the providers that the standard OTEL_* variables describe: [Off]
// without an endpoint (OTEL_EXPORTER_OTLP_ENDPOINT, or the variable of one signal), else
// providers that export by OTLP over HTTP. The error is ErrNotLinked when the binary was
// built without the tag otlp, or names an unsupported setting. OpenOTLP does not wait for
// the endpoint.
func OpenOTLP(ctx context.Context, o OTLPOptions) (Providers, error) {
	on, err := wanted(o.Getenv)
	if err != nil {
		return Providers{}, err
	}
	if !on.traces && !on.metrics {
		return Off(), nil
	}
	return openOTLP(ctx, o, on)
}

// signals are the signals to export.
type signals struct{ traces, metrics bool }

func wanted(getenv func(string) string) (signals, error) {
	if getenv("OTEL_SDK_DISABLED") == "true" {
		return signals{}, nil
	}
	traces, err := wantedSignal(getenv, "TRACES")
	if err != nil {
		return signals{}, err
	}
	metrics, err := wantedSignal(getenv, "METRICS")
	if err != nil {
		return signals{}, err
	}
	return signals{traces, metrics}, nil
}

func wantedSignal(getenv func(string) string, signal string) (bool, error) {
	name := "OTEL_" + signal + "_EXPORTER"
	switch kind := getenv(name); kind {
	case "none":
		return false, nil
	case "otlp":
	case "":
		if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") == "" {
			return false, nil
		}
	default:
		return false, fmt.Errorf("%s=%s is not supported: use otlp or none", name, kind)
	}
	name = "OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL"
	protocol := getenv(name)
	if protocol == "" {
		name = "OTEL_EXPORTER_OTLP_PROTOCOL"
		protocol = getenv(name)
	}
	if protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("%s=%s is not supported: use http/protobuf", name, protocol)
	}
	return true, nil
}
