package app

import (
	"context"
	"errors"
	"sync"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
)

// Batches is the worker for hosts that receive from the queue themselves, such as AWS
// Lambda: it is built from the environment when the first batch comes.
type Batches struct {
	build func() (*batchWorker, error)
	exit  func(code int)
}

type batchWorker struct {
	*Workers
	process *Process
}

// errSpent refuses a batch.
var errSpent = errors.New("too many processors do not return: the worker takes no more jobs, and the process ends")

// NewBatches returns a worker that will be built from environ. When too many of its
// processors do not return, it ends the process by exit, so that the host starts a new one.
func NewBatches(environ func() []string, exit func(code int)) *Batches {
	return &Batches{exit: exit, build: sync.OnceValues(func() (*batchWorker, error) {
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
	c.MetricsPort = 0 // no scraper reaches it: metrics go by OTLP, as without that setting
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
// worker cannot be built, or that too many processors of earlier batches do not return.
func (b *Batches) Carry(ctx context.Context, deliveries []job.Delivery) ([]job.Delivery, error) {
	w, err := b.build()
	if err != nil {
		return nil, err
	}
	if w.Spent() {
		w.process.Telemetry.Log.Error(errSpent.Error())
		w.process.Telemetry.Flush()
		b.exit(1) // the host delivers the batch again, to another process
		return nil, errSpent
	}
	again := w.Workers.Carry(ctx, deliveries)
	w.process.Telemetry.Flush()
	return again, nil
}
