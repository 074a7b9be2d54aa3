package app

import (
	"context"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
)

// sweep deletes what is older than it may be, and returns how much that was. Buckets and
// SQS queues do this by themselves; databases and folders do not.
type sweep struct {
	what string
	keep time.Duration
	run  func(ctx context.Context, before time.Time) (int, error)
}

const (
	// sweepPause is the time between two sweeps of a worker. Each worker sweeps; two at a
	// time do no harm.
	sweepPause = time.Hour
	// firstSweep is the longest time from the start of a worker to its first sweep.
	firstSweep = time.Minute
	// deadLetterTime is how long dead letters stay.
	deadLetterTime = 14 * 24 * time.Hour
)

// sweepsOf returns the sweeps of the backends that need one.
func sweepsOf(c *config.Config, b *backends) (all []sweep) {
	ttl := time.Duration(c.JobTTLDays) * 24 * time.Hour
	if s, ok := b.documents.(*pgstore.Store); ok {
		all = append(all, sweep{"jobs", ttl, s.SweepJobs}, sweep{"deliveries", ttl, s.SweepEvents})
	}
	if s, ok := b.objects.(*dirstore.Store); ok {
		all = append(all, sweep{"images", ttl, s.Sweep})
	}
	for _, one := range []queue{b.queue, b.webhooks} {
		q, ok := one.(pgQueue)
		if !ok {
			continue
		}
		all = append(all, sweep{"messages", c.QueueRetention, q.SweepMessages}, sweep{"dead letters", deadLetterTime, func(ctx context.Context, before time.Time) (int, error) {
			dead, err := q.Queue.DeadLetters(ctx)
			if err != nil {
				return 0, err
			}
			return dead.SweepMessages(ctx, before)
		}})
	}
	return all
}

// Sweep deletes expired jobs, images and messages every hour, where the backends do not do
// so by themselves, until ctx ends.
func (p *Process) Sweep(ctx context.Context) {
	if len(p.backends.sweeps) == 0 {
		return
	}
	for pause := rand.N(firstSweep); ; pause = sweepPause*3/4 + rand.N(sweepPause/2) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		p.sweepOnce(ctx)
	}
}

func (p *Process) sweepOnce(ctx context.Context) {
	log := p.Telemetry.Log
	for _, s := range p.backends.sweeps {
		n, err := s.run(ctx, time.Now().Add(-s.keep))
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("sweep failed", "what", s.what, "kind", job.KindOf(err).String(), "error", err)
		case n > 0:
			log.Info("swept", "what", s.what, "deleted", n)
		}
	}
}
