package app

import (
	"context"
	"sync"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
)

// Batches is the worker for hosts that receive from the queue themselves, such as AWS
// Lambda: it is built from the environment when the first batch comes.
type Batches struct {
	build func() (*batchWorker, error)
}

type batchWorker struct {
	*Workers
	process *Process
}

// NewBatches returns a worker that will be built from environ.
func NewBatches(environ func() []string) *Batches {
	return &Batches{build: sync.OnceValues(func() (*batchWorker, error) {
		w, err := newBatchWorker(environ())
		if err != nil {
			firstLogger(environ()).Error("the worker cannot start", "error", err)
		}
		return w, err
	})}
}

func newBatchWorker(environ []string) (*batchWorker, error) {
	c, err := config.Load(config.Worker, environ)
	if err != nil {
		return nil, err
	}
	c.MetricsPort = 0 // nobody can scrape it: metrics go by OTLP, as without that setting
	p, err := Open(context.Background(), c, RoleWorker)
	if err != nil {
		return nil, err
	}
	w, err := p.Worker()
	if err != nil {
		p.Close()
		return nil, err
	}
	p.started("worker")
	return &batchWorker{w, p}, nil
}

// Carry carries out deliveries and returns those that are to be delivered again, as
// worker.Worker.Carry does. Telemetry is sent before it returns. An error says that the
// worker cannot be built.
func (b *Batches) Carry(ctx context.Context, deliveries []job.Delivery) ([]job.Delivery, error) {
	w, err := b.build()
	if err != nil {
		return nil, err
	}
	again := w.Workers.Carry(ctx, deliveries)
	w.process.Telemetry.Flush()
	return again, nil
}
