package app

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/telemetry"
	"claimcheck.example/internal/worker"
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

// oneMessage is a queue with one message in it, which then fails once.
type oneMessage struct {
	job.Queue
	receives int
}

func (q *oneMessage) Receive(context.Context, int, time.Duration) ([]job.Delivery, error) {
	switch q.receives++; q.receives {
	case 1:
		return []job.Delivery{{SentAt: time.Now().Add(-time.Hour)}}, nil
	case 2:
		return nil, job.Errorf(job.Unavailable, "no")
	}
	return nil, nil
}

// measured is telemetry whose metrics can be read.
func measured(t *testing.T) (*Telemetry, sdkmetric.Reader) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	metrics, err := telemetry.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	return &Telemetry{providers: telemetry.Off(), metrics: metrics}, reader
}

// TestQueueAgeFalls receives until the queue is empty.
func TestQueueAgeFalls(t *testing.T) {
	t.Parallel()
	tel, reader := measured(t)
	q := observedQueue{&oneMessage{}, tel}
	run := tel.observeRun(func(context.Context, job.Delivery) worker.Outcome { return worker.Outcome{} })
	for n, want := range []float64{3600, 3600, 0} { // a failure says nothing of the queue
		deliveries, _ := q.Receive(t.Context(), 1, time.Minute)
		for _, d := range deliveries {
			run(t.Context(), d)
		}
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		age := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Gauge[float64]).DataPoints[0].Value
		if age < want || age > want+60 {
			t.Errorf("after receive %d the age is %v s, want %v", n+1, age, want)
		}
	}
}

// TestTimeInQueue is measured from a job's submit, or from when it was last put back.
func TestTimeInQueue(t *testing.T) {
	t.Parallel()
	tel, reader := measured(t)
	started := time.Now()
	for _, redriven := range []time.Time{{}, started.Add(-time.Minute)} {
		j := &job.Job{Status: job.Completed, CreatedAt: started.Add(-time.Hour), RedrivenAt: redriven, StartedAt: started, EndedAt: started}
		tel.observeRun(func(context.Context, job.Delivery) worker.Outcome { return worker.Outcome{Job: j, Ended: true} })(t.Context(), job.Delivery{})
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name != "claimcheck.job.queue.duration" {
			continue
		}
		if got := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Sum; got != 3660 {
			t.Errorf("%v s in the queue, want an hour and a minute", got)
		}
		return
	}
	t.Error("it is not measured")
}

// TestTimesOfAJobThatNeverBegan cancels one by its Cancel-After: it was in the queue until
// then, and in work for no time.
func TestTimesOfAJobThatNeverBegan(t *testing.T) {
	t.Parallel()
	tel, reader := measured(t)
	ended := time.Now()
	j := &job.Job{Status: job.StatusCanceled, CreatedAt: ended.Add(-time.Minute), EndedAt: ended}
	tel.observeRun(func(context.Context, job.Delivery) worker.Outcome { return worker.Outcome{Job: j, Ended: true} })(t.Context(), job.Delivery{})
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
			got[m.Name] = h.DataPoints[0].Sum
		}
	}
	if queue, work := got["claimcheck.job.queue.duration"], got["claimcheck.job.work.duration"]; len(got) != 2 || queue != 60 || work != 0 {
		t.Errorf("%v; want a minute in the queue and no work", got)
	}
}

// TestAbandonedIsCounted has one processor of two not return when its time is over.
func TestAbandonedIsCounted(t *testing.T) {
	t.Parallel()
	tel, reader := measured(t)
	for _, abandoned := range []bool{false, true} {
		tel.observeRun(func(context.Context, job.Delivery) worker.Outcome { return worker.Outcome{Abandoned: abandoned} })(t.Context(), job.Delivery{})
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var got int64
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == "claimcheck.worker.abandoned" {
				got += m.Data.(metricdata.Sum[int64]).DataPoints[0].Value
			}
		}
	}
	if got != 1 {
		t.Errorf("%d are counted, want 1", got)
	}
}
