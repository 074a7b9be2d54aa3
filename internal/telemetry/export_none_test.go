//go:build !logapi && !otlp

package telemetry_test

import (
	"errors"
	"testing"

	"claimcheck.example/internal/telemetry"
)

func TestMissingExporterSaysSo(t *testing.T) {
	t.Parallel()
	_, err := telemetry.OpenLogExport(t.Context(), telemetry.LogExportOptions{Project: "p"})
	if want := "the export of logs by API is not linked into this binary: build it with -tags logapi"; !errors.Is(err, telemetry.ErrNotLinked) || err.Error() != want {
		t.Errorf("err = %v, want %q", err, want)
	}
	for _, key := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"} {
		_, err := telemetry.OpenOTLP(t.Context(), telemetry.OTLPOptions{Getenv: func(k string) string {
			if k == key {
				return "http://127.0.0.1:4318"
			}
			return ""
		}})
		if want := "the export of traces and metrics is not linked into this binary: build it with -tags otlp"; !errors.Is(err, telemetry.ErrNotLinked) || err.Error() != want {
			t.Errorf("%s: err = %v, want %q", key, err, want)
		}
	}
}
