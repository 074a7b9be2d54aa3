package app

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"claimcheck.example/internal/telemetry"
)

// noLines is an export that gets no lines.
type noLines struct{ io.Writer }

func (noLines) Flush(context.Context) error { return nil }
func (noLines) Close(context.Context) error { return nil }

// TestNeitherExportWaitsForTheOther has each export end only when the other has begun.
func TestNeitherExportWaitsForTheOther(t *testing.T) {
	t.Parallel()
	tel := &Telemetry{Log: slog.New(slog.DiscardHandler), export: noLines{}}
	begun := make(chan struct{})
	meet := func(ctx context.Context) error {
		select {
		case begun <- struct{}{}:
		case <-begun:
		case <-ctx.Done():
			t.Error("one export waits for the other")
		}
		return nil
	}
	tel.send(20*time.Second, meet, func(_ telemetry.LogExport, ctx context.Context) error { return meet(ctx) })
}
