package app

import (
	"context"
	"sync"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// Batches is the worker for hosts that receive from the queue themselves, such as AWS
// Lambda: it is built from the environment when the first batch comes.
type Batches struct {
	build func() (*batchWorker, error)
}

type batchWorker struct {
	*worker.Worker
	tel *Telemetry
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
	limitMemory(c)
	ctx := context.Background()
	tel, err := NewTelemetry(ctx, c, "claimcheck-worker")
	if err != nil {
		return nil, err
	}
	cfg, err := LoadAWS(ctx, tel.Log)
	if err != nil {
		return nil, err
	}
	w, err := NewWorker(c, cfg, tel)
	if err != nil {
		return nil, err
	}
	tel.Log.Info("worker started", "version", Version, "config", c)
	return &batchWorker{w, tel}, nil
}

// Carry carries out deliveries and returns those that are to be delivered again, as
// worker.Worker.Carry does. Telemetry is sent before it returns. An error says that the
// worker cannot be built.
func (b *Batches) Carry(ctx context.Context, deliveries []job.Delivery) ([]job.Delivery, error) {
	w, err := b.build()
	if err != nil {
		return nil, err
	}
	again := w.Worker.Carry(ctx, deliveries)
	w.tel.Flush()
	return again, nil
}
