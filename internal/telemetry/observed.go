package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ObserveQueue has each collection of the metrics read how many messages of a queue are in
// each state. Where read returns an error, the collection is without them.
func (m *Metrics) ObserveQueue(queue string, read func(context.Context) (messages map[string]int64, err error)) error {
	_, err := m.meter.Float64ObservableGauge("claimcheck.queue.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Messages in the queue, by state"),
		metric.WithFloat64Callback(func(ctx context.Context, o metric.Float64Observer) error {
			messages, err := read(ctx)
			if err != nil {
				return nil // read logs it, and the other metrics are good
			}
			for state, n := range messages {
				o.Observe(float64(n), metric.WithAttributes(attribute.String("queue", queue), attribute.String("state", state)))
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
