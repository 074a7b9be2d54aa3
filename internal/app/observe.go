package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/vips"
)

// observe has scrapes read the depth of the queues, and a worker's the memory of its
// engine. It begins the counters of the parts that run in this process.
func (p *Process) observe(ctx context.Context, parts []Role) error {
	m, b, log := p.Telemetry.metrics, p.backends, p.Telemetry.Log
	works := slices.Contains(parts, RoleWorker)
	if works {
		m.ZeroWorker(ctx, string(job.Completed), string(job.Failed), string(job.StatusCanceled))
	}
	if slices.Contains(parts, RoleServer) {
		m.ZeroServer(ctx, job.Exhausted.String(), job.Unavailable.String(), job.Misconfigured.String(), job.Unknown.String(), job.Corrupt.String())
	}
	queues := map[string]func(context.Context) (map[string]int64, error){"jobs": (&depth{read: b.queue.Depth, log: log}).last}
	if b.webhooks != b.queue {
		queues["webhooks"] = (&depth{read: b.webhooks.Depth, log: log}).last
	}
	errs := []error{m.ObserveQueues(queues)}
	if works && p.Config.Processor == "image" {
		e, err := p.engine()
		if v, ok := e.(*vips.Engine); ok {
			err = m.ObserveEngine(v.Memory)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

const (
	// depthAge is the age up to which a scrape gets the depth of an earlier one: each count
	// is a request to the queue.
	depthAge = 15 * time.Second
	// depthTime bounds what a scrape waits for the queue.
	depthTime = 3 * time.Second
)

// depth remembers the depth of a queue.
type depth struct {
	read func(context.Context) (job.Depth, error)
	log  *slog.Logger

	mu     sync.Mutex // guards the fields below, and lets one scrape read at a time
	at     time.Time
	states map[string]int64
	err    error
}

// last returns the messages by state, counted at most depthAge ago. It logs the first of
// several failures.
func (d *depth) last(ctx context.Context) (map[string]int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && time.Since(d.at) < depthAge {
		return d.states, d.err
	}
	ctx, cancel := context.WithTimeout(ctx, depthTime)
	defer cancel()
	failed := d.err != nil
	n, err := d.read(ctx)
	d.at, d.err = time.Now(), err
	if err != nil && !failed {
		d.log.Warn("cannot count the messages of the queue", "kind", job.KindOf(err).String(), "error", err)
	}
	d.states = map[string]int64{"visible": n.Visible, "hidden": n.Hidden}
	if n.CountsDead {
		d.states["dead"] = n.Dead
	}
	return d.states, err
}
