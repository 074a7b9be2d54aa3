package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/worker"
)

// Worker wires the consumers of the queues.
func (p *Process) Worker() (*Workers, error) {
	c, tel, b := p.Config, p.Telemetry, p.backends
	log := tel.Log
	var engine imaging.Engine
	if c.Processor == "image" {
		e, err := p.engine()
		if err != nil {
			return nil, err
		}
		engine = e
	}
	pr, err := newProcessor(c, log, engine, nil)
	if err != nil {
		return nil, err
	}
	var limit job.Limiter // a program or a server has limits of its own
	if im, ok := pr.(*imaging.Processor); ok {
		limit = im.Limiter(c.DecodedPixels())
	}
	if command, ok := pr.(*command.Command); ok {
		walls, err := command.Walls()
		logWalls(log, walls.Hold, walls.Missing, err)
	}
	_, inDatabase := b.documents.(*pgstore.Store) // then images can be where no condition holds
	runner := worker.NewRunner(worker.RunnerConfig{
		Charges:    charges(c),
		OwnOutputs: inDatabase, Store: b.store(), Ledger: b.documents, Queue: b.queue, Webhooks: b.webhooks, Processor: pr, Limiter: limit, Worker: workerName(), Lease: c.Lease,
		Inspector: inspector{}, MaxPixels: c.MaxImagePixels, TimeLimit: c.ProcessTimeout, MaxAttempts: c.MaxAttempts, Impatient: p.role == RoleLocal, Now: time.Now, Logger: log,
	})
	run := runner.Run
	if p.role == RoleLocal {
		run = showStderr(os.Stderr, run)
	}
	deliverer, err := p.deliverer()
	if err != nil {
		return nil, err
	}
	jobs := worker.Config{
		Queue: observedQueue{b.queue, tel}, Run: tel.observeRun(run), Concurrency: c.Concurrency, Visibility: c.Lease, Grace: c.Grace, IdleExit: c.ExitWhenIdle, Logger: log,
	}
	if deliverer == nil {
		return &Workers{jobs: worker.New(jobs)}, nil
	}
	jobs.Deliver, jobs.Deliveries = deliverer.Run, c.WebhookConcurrency
	all := &Workers{jobs: worker.New(jobs)}
	if _, shared := c.WebhookQueue(); !shared {
		all.webhooks = worker.New(worker.Config{
			Queue: b.webhooks, Run: deliverer.Run, Concurrency: c.WebhookConcurrency, Visibility: webhookVisibility, Grace: c.Grace, IdleExit: c.ExitWhenIdle, Logger: log,
		})
	}
	return all, nil
}

// webhookVisibility hides the message of a webhook while it is called: longer than that takes.
const webhookVisibility = time.Minute

// logWalls says what keeps the runs of a command apart.
func logWalls(log *slog.Logger, hold, missing []string, err error) {
	if !slices.Contains(missing, "folders") && !slices.Contains(missing, "signals") {
		log.Info("walls between commands", "walls", hold, "missing_walls", missing)
		return
	}
	log.Warn("this worker cannot keep commands apart: a program can reach the others that run beside it, and the worker; let all jobs of one worker be of one trust",
		"walls", hold, "missing_walls", missing, "error", err)
}

// workerName is different for each process on any host: two claims of one job by
// the same name are the same claim.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8])
}

// Work consumes the queue until ctx ends.
func Work(ctx context.Context, c *config.Config) error {
	p, err := Open(ctx, c, RoleWorker)
	if err != nil {
		return err
	}
	defer p.Close()
	w, err := p.Worker()
	if err != nil {
		return err
	}
	stop, err := p.ServeMetrics(ctx, RoleWorker)
	if err != nil {
		return err
	}
	defer stop()
	p.started("worker")
	log := p.Telemetry.Log
	// The queue says at once what is wrong with it; storage would with the first job.
	if err := p.backends.store().Ready(ctx); err != nil && ctx.Err() == nil {
		log.Error("the worker cannot do its work", "kind", job.KindOf(err).String(), "error", err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var sweeping sync.WaitGroup
	sweeping.Go(func() { p.Sweep(ctx) })
	err = w.Serve(ctx)
	end() // it may be idle, or too many processors do not return
	sweeping.Wait()
	log.Info("worker stopped")
	return err
}
