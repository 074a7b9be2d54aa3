package jobtest

import (
	"context"
	"maps"

	"claimcheck.example/internal/job"
)

// Outbox is the twin of job.Outbox. Its faults are those of the store's Create.
type Outbox struct {
	store *Store
	queue *Queue
}

var _ job.Outbox = (*Outbox)(nil)

// NewOutbox returns the outbox of two twins.
func NewOutbox(s *Store, q *Queue) *Outbox { return &Outbox{s, q} }

// CreateAndSend implements job.Outbox.
func (o *Outbox) CreateAndSend(ctx context.Context, j *job.Job, m job.Message) (string, error) {
	return run(ctx, &o.store.Faults, OpCreate, func() (string, error) {
		version, created, err := o.store.create(j)
		if created {
			o.queue.checkSend(m)
			m.Trace = maps.Clone(m.Trace)
			o.queue.put(job.Delivery{Message: m})
		}
		return version, err
	})
}
