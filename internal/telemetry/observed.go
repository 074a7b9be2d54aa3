package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ObserveQueues has each collection of the metrics read how many messages of each queue are
// in each state. Where a queue returns an error, the collection is without its messages.
func (m *Metrics) ObserveQueues(queues map[string]func(context.Context) (messages map[string]int64, err error)) error {
	_, err := m.meter.Float64ObservableGauge("claimcheck.queue.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Messages in the queue, by state"),
		metric.WithFloat64Callback(func(ctx context.Context, o metric.Float64Observer) error {
			for queue, read := range queues {
				messages, err := read(ctx)
				if err != nil {
					continue // read logs it, and the other metrics are good
				}
				for state, n := range messages {
					o.Observe(float64(n), metric.WithAttributes(attribute.String("queue", queue), attribute.String("state", state)))
				}
			}
			return nil
		}))
	return err
}

// ObserveEngine has each collection of the metrics read the memory of the image engine's
// processes, in bytes.
func (m *Metrics) ObserveEngine(read func() int64) error {
	_, err := m.meter.Float64ObservableGauge("claimcheck.engine.memory", metric.WithUnit("By"),
		metric.WithDescription("Resident memory of the image engine's processes"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(float64(read()))
			return nil
		}))
	return err
}

// ZeroServer begins the counters of a server that alerts watch: Prometheus computes no rate
// from the first value of a series, so the first refusal for a reason would be no event.
func (m *Metrics) ZeroServer(ctx context.Context, reasons ...string) {
	m.accepted.Add(ctx, 0)
	m.bytesIn.Add(ctx, 0)
	for _, reason := range reasons {
		m.refused.Add(ctx, 0, metric.WithAttributes(attribute.String("reason", reason)))
	}
}

// ZeroWorker is ZeroServer of a worker, with the outcomes of jobs.
func (m *Metrics) ZeroWorker(ctx context.Context, outcomes ...string) {
	m.abandoned.Add(ctx, 0)
	m.bytesOut.Add(ctx, 0)
	for _, outcome := range outcomes {
		m.ended.Add(ctx, 0, metric.WithAttributes(attribute.String("outcome", outcome)))
	}
}
