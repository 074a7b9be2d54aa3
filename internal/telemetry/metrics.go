package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics records the metrics of Claimcheck. Each method is one event; each is safe for
// concurrent use, takes less than a microsecond and never fails. Attributes come from
// fixed sets, so that clients cannot create time series.
type Metrics struct {
	meter     metric.Meter
	accepted  metric.Int64Counter
	refused   metric.Int64Counter
	ended     metric.Int64Counter
	abandoned metric.Int64Counter
	bytesIn   metric.Int64Counter
	bytesOut  metric.Int64Counter
	inQueue   metric.Float64Histogram
	inWork    metric.Float64Histogram
	queueAge  metric.Float64Gauge
	durations metric.Float64Histogram
}

// Buckets in seconds: requests are short except uploads; waits and work are long.
var (
	requestBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
	workBuckets    = []float64{0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400}
)

// NewMetrics registers every instrument with the provider.
func NewMetrics(provider metric.MeterProvider) (*Metrics, error) {
	meter := provider.Meter(scope)
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	seconds := func(name, what string, buckets []float64) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
			metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	age, err := meter.Float64Gauge("claimcheck.queue.age", metric.WithUnit("s"),
		metric.WithDescription("How long the message received last had been in the queue"))
	errs = append(errs, err)
	m := &Metrics{
		meter:     meter,
		accepted:  counter("claimcheck.jobs.accepted", "{job}", "Jobs accepted"),
		refused:   counter("claimcheck.jobs.refused", "{job}", "Submits that were not accepted, by reason"),
		ended:     counter("claimcheck.jobs.ended", "{job}", "Jobs that ended, by outcome"),
		abandoned: counter("claimcheck.worker.abandoned", "{job}", "Attempts whose processor did not return when its time was over"),
		bytesIn:   counter("claimcheck.images.received", "By", "Bytes of accepted images"),
		bytesOut:  counter("claimcheck.images.produced", "By", "Bytes of results"),
		inQueue:   seconds("claimcheck.job.queue.duration", "Time from a job's submit, or from when it was put back, to the claim that ended it", workBuckets),
		inWork:    seconds("claimcheck.job.work.duration", "Time from that claim to the job's end", workBuckets),
		queueAge:  age,
		durations: seconds("http.server.request.duration", "Time to answer a request, by method, route and status", requestBuckets),
	}
	return m, errors.Join(errs...)
}

// Accepted counts an accepted job, and the bytes of its image.
func (m *Metrics) Accepted(ctx context.Context, bytes int64) {
	m.accepted.Add(ctx, 1)
	m.bytesIn.Add(ctx, bytes)
}

// Refused counts a submit that was not accepted. The reason is the name of an error kind.
func (m *Metrics) Refused(ctx context.Context, reason string) {
	m.refused.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
}

// End describes the end of a job.
type End struct {
	// Outcome is the job's final status: completed, failed or canceled.
	Outcome string
	// InQueue is the time from submit, or from a redrive, to the claim; InWork is the time
	// from the claim to the end.
	InQueue, InWork time.Duration
	// Bytes is the size of the result.
	Bytes int64
}

// Ended counts the end of a job.
func (m *Metrics) Ended(ctx context.Context, e End) {
	outcome := metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", e.Outcome)))
	m.ended.Add(ctx, 1, outcome)
	m.inQueue.Record(ctx, e.InQueue.Seconds(), outcome)
	m.inWork.Record(ctx, e.InWork.Seconds(), outcome)
	m.bytesOut.Add(ctx, e.Bytes)
}

// Abandoned counts an attempt whose processor did not return when its time was up.
func (m *Metrics) Abandoned(ctx context.Context) { m.abandoned.Add(ctx, 1) }

// Received records how long a message had been in the queue; zero after a poll that found
// the queue empty.
func (m *Metrics) Received(ctx context.Context, age time.Duration) {
	m.queueAge.Record(ctx, max(0, age.Seconds()))
}

// Request measures an answered request. The route is a pattern, not a path; empty for an
// unknown path.
func (m *Metrics) Request(ctx context.Context, method, route string, status int, took time.Duration) {
	m.durations.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("http.request.method", knownMethod(method)),
		attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status),
	))
}
