package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/telemetry"
	"claimcheck.example/internal/telemetry/prometheus"
	"claimcheck.example/internal/worker"
)

// Telemetry is what a process tells about itself.
type Telemetry struct {
	Log       *slog.Logger
	providers telemetry.Providers
	metrics   *telemetry.Metrics
	export    telemetry.LogExport // nil: lines go to standard error
	scraped   *prometheus.Metrics // nil without METRICS_PORT
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
		Service: cmp.Or(c.Cloud.Service, c.Cloud.Pool), Version: c.Cloud.Revision, NoColor: os.Getenv("NO_COLOR") != "",
	})
	var err error
	getenv := os.Getenv
	if c.MetricsPort != 0 {
		getenv = func(name string) string {
			if name == "OTEL_METRICS_EXPORTER" {
				return "none" // metrics go to Prometheus alone
			}
			return os.Getenv(name)
		}
	}
	t.providers, err = telemetry.OpenOTLP(ctx, telemetry.OTLPOptions{Getenv: getenv, Service: service, Version: Version, Logger: t.Log})
	if errors.Is(err, telemetry.ErrNotLinked) {
		return nil, errors.New("OTEL_* asks for an export that needs a binary built with -tags otlp")
	}
	meter := t.providers.Meter
	if err == nil && c.MetricsPort != 0 {
		t.scraped, err = prometheus.Open(service, Version)
		if err == nil {
			meter = t.scraped.Meter
		}
	}
	if err == nil {
		t.metrics, err = telemetry.NewMetrics(meter)
	}
	return t, err
}

const (
	// flushTime bounds what a request may have to wait for that is not its own. During an
	// outage one request in half a minute does: the exports then leave their receivers alone.
	flushTime = 2 * time.Second
	// closeTime is the same of the process's end. Cloud Run leaves 10 s, of which
	// SHUTDOWN_GRACE takes 8, and handing jobs back some of the rest.
	closeTime = time.Second
)

// Flush sends what has been recorded, within a bounded time. For platforms that freeze
// the process between requests.
func (t *Telemetry) Flush() {
	t.send(flushTime, t.providers.Flush, telemetry.LogExport.Flush)
}

// Exports reports whether there is anything to flush.
func (t *Telemetry) Exports() bool { return t.export != nil || t.providers.Exports() }

// Close flushes and ends the exports, within a bounded time.
func (t *Telemetry) Close() {
	t.send(closeTime, t.providers.Shutdown, telemetry.LogExport.Close)
}

// send has both exports send at once, so that neither takes the other's time.
func (t *Telemetry) send(limit time.Duration, numbers func(context.Context) error, lines func(telemetry.LogExport, context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var all sync.WaitGroup
	if t.export != nil {
		all.Go(func() { _ = lines(t.export, ctx) }) // what it cannot send it puts on standard error
	}
	if err := numbers(ctx); err != nil {
		t.Log.Warn("some traces and metrics were not sent", "error", err)
	}
	all.Wait()
}

// Accepted and Refused implement httpapi.Observer.
func (t *Telemetry) Accepted(ctx context.Context, j *job.Job) {
	t.metrics.Accepted(ctx, j.Input.SizeBytes)
}

func (t *Telemetry) Refused(ctx context.Context, k job.Kind) { t.metrics.Refused(ctx, k.String()) }

// observeRun puts each delivery into the trace that came with it, and measures it.
func (t *Telemetry) observeRun(run func(context.Context, job.Delivery) worker.Outcome) func(context.Context, job.Delivery) worker.Outcome {
	return func(ctx context.Context, d job.Delivery) worker.Outcome {
		ctx, end := t.providers.StartWork(ctx, d.Trace, d.JobID.String())
		ctx = telemetry.With(ctx, slog.String("job_id", d.JobID.String()))
		if !d.SentAt.IsZero() {
			t.metrics.Received(ctx, time.Since(d.SentAt))
		}
		out := run(ctx, d)
		if out.Abandoned {
			t.metrics.Abandoned(ctx)
		}
		if out.Ended {
			begun := out.Job.StartedAt
			if begun.IsZero() { // its Cancel-After was over before a worker claimed it
				begun = out.Job.EndedAt
			}
			e := telemetry.End{Outcome: string(out.Job.Status), InQueue: begun.Sub(out.Job.QueuedAt()), InWork: out.Job.EndedAt.Sub(begun)}
			if out.Job.Output != nil {
				e.Bytes = out.Job.Output.SizeBytes
			}
			t.metrics.Ended(ctx, e)
		}
		end(out.Err)
		return out
	}
}

// observedQueue has the age of the queue fall when there is nothing in it; else it is the
// deliveries that tell.
type observedQueue struct {
	job.Queue
	tel *Telemetry
}

// Receive implements job.Queue.
func (q observedQueue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]job.Delivery, error) {
	deliveries, err := q.Queue.Receive(ctx, limit, visibility)
	if err == nil && len(deliveries) == 0 {
		q.tel.metrics.Received(ctx, 0)
	}
	return deliveries, err
}
