//go:build !otlp

package telemetry

import "context"

func openOTLP(context.Context, OTLPOptions, signals) (Providers, error) {
	return Providers{}, notLinked("the export of traces and metrics", "otlp")
}
