//go:build otlp

package telemetry

import (
	"context"

	"claimcheck.example/internal/telemetry/otlp"
)

func openOTLP(ctx context.Context, o OTLPOptions, on signals) (Providers, error) {
	p, err := otlp.Open(ctx, otlp.Options{
		Service: o.Service, Version: o.Version, Traces: on.traces, Metrics: on.metrics,
		OnError: func(err error) { o.Logger.Warn("cannot export telemetry", "error", err) },
	})
	if err != nil {
		return Providers{}, err
	}
	return Providers{Tracer: p.Tracer, Meter: p.Meter, export: p}, nil
}
