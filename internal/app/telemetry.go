package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/telemetry"
)

// Telemetry is what a process tells about itself.
type Telemetry struct {
	Log       *slog.Logger
	providers telemetry.Providers
	metrics   *telemetry.Metrics
	export    telemetry.LogExport // nil: lines go to standard error
}

// Quiet is a telemetry that logs to log and measures nothing.
func Quiet(log *slog.Logger) *Telemetry {
	off := telemetry.Off()
	m, err := telemetry.NewMetrics(off.Meter)
	if err != nil {
		panic(err) // the names of the instruments are ours
	}
	return &Telemetry{Log: log, providers: off, metrics: m}
}

// NewTelemetry opens logs, traces and metrics as the environment asks; it waits for none
// of their receivers.
func NewTelemetry(ctx context.Context, c *config.Config, service string) (*Telemetry, error) {
	t := &Telemetry{}
	out := io.Writer(os.Stderr)
	format := telemetry.Format(c.LogFormat)
	if c.LogExport == "api" {
		export, err := telemetry.OpenLogExport(ctx, telemetry.LogExportOptions{
			Project: c.Cloud.Project, Service: c.Cloud.Service, Revision: c.Cloud.Revision, Location: c.Cloud.Location,
		})
		if errors.Is(err, telemetry.ErrNotLinked) {
			return nil, errors.New("LOG_EXPORT=api needs a binary that was built with -tags logapi; without it, lines on standard error reach Cloud Logging all the same")
		}
		if err != nil {
			return nil, err
		}
		t.export, out, format = export, export, telemetry.FormatGCP
	}
	t.Log = telemetry.NewLogger(telemetry.LogOptions{
		Format: format, Level: c.LogLevel, Writer: out, GoogleCloud: c.Cloud.Google(), Project: c.Cloud.Project,
		Service: c.Cloud.Service, Version: c.Cloud.Revision, NoColor: os.Getenv("NO_COLOR") != "",
	})
	var err error
	t.providers, err = telemetry.OpenOTLP(ctx, telemetry.OTLPOptions{Getenv: os.Getenv, Service: service, Version: Version, Logger: t.Log})
	if errors.Is(err, telemetry.ErrNotLinked) {
		return nil, errors.New("OTEL_* asks for an export that needs a binary built with -tags otlp")
	}
	if err == nil {
		t.metrics, err = telemetry.NewMetrics(t.providers.Meter)
	}
	return t, err
}

// flushTime bounds what a request may have to wait for that is not its own.
const flushTime = 2 * time.Second

// Flush sends what has been recorded, within a bounded time. For platforms that freeze
// the process between requests.
func (t *Telemetry) Flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.providers.Flush(ctx); err != nil {
		t.Log.Warn("traces and metrics were not all sent", "error", err)
	}
	if t.export != nil {
		_ = t.export.Flush(ctx) // what it cannot send it puts on standard error
	}
}

// Exports reports whether there is anything to flush.
func (t *Telemetry) Exports() bool { return t.export != nil || t.providers.Exports() }

// Close flushes and ends the exports, within a bounded time.
func (t *Telemetry) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.providers.Shutdown(ctx); err != nil {
		t.Log.Warn("traces and metrics were not all sent", "error", err)
	}
	if t.export != nil {
		_ = t.export.Close(ctx) // what it could not send it has put on standard error
	}
}

// Accepted and Refused implement httpapi.Observer.
func (t *Telemetry) Accepted(ctx context.Context, j *job.Job) {
	t.metrics.Accepted(ctx, j.Input.SizeBytes)
}

func (t *Telemetry) Refused(ctx context.Context, k job.Kind) { t.metrics.Refused(ctx, k.String()) }

// observeRun puts each delivery into the trace that came with it, and measures it.
func (t *Telemetry) observeRun(run func(context.Context, job.Delivery) job.Outcome) func(context.Context, job.Delivery) job.Outcome {
	return func(ctx context.Context, d job.Delivery) job.Outcome {
		ctx, end := t.providers.StartWork(ctx, d.Trace, d.JobID.String())
		ctx = telemetry.With(ctx, slog.String("job_id", d.JobID.String()))
		if !d.SentAt.IsZero() {
			t.metrics.Received(ctx, time.Since(d.SentAt))
		}
		out := run(ctx, d)
		if out.Ended {
			e := telemetry.End{Outcome: string(out.Job.Status), InQueue: out.Job.StartedAt.Sub(out.Job.CreatedAt), InWork: out.Job.EndedAt.Sub(out.Job.StartedAt)}
			if out.Job.Output != nil {
				e.Bytes = out.Job.Output.SizeBytes
			}
			t.metrics.Ended(ctx, e)
		}
		end(out.Err)
		return out
	}
}
