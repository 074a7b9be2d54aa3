package service

import (
	"context"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

// Delete removes a job, its input and its output, in any state. It marks the document
// first, and from then on the job no longer exists for callers; it erases the document
// last. So a Delete that fails half-way can be repeated, and a worker that has the job
// notices at its next write and discards its work. The usage until then is billed all the
// same: here, or by that worker.
func (s *Service) Delete(ctx context.Context, who job.Caller, id job.ID) error {
	return s.DeleteIf(ctx, who, id, nil)
}

// DeleteIf deletes a job if may, which gets it as Status returns it, returns no error;
// else it returns that error. It shows a job again that changes meanwhile, and does not
// ask about one whose deletion has begun. Nil allows any job.
func (s *Service) DeleteIf(ctx context.Context, who job.Caller, id job.ID, may func(*job.Job) error) error {
	ctx, _ = job.WithMeter(ctx)
	for {
		j, from, err := s.authz.Delete(ctx, who, id)
		if err != nil {
			return err
		}
		if may != nil && !j.Deleted {
			seen, err := s.seen(ctx, j)
			if err != nil {
				return err
			}
			if err := may(seen); err != nil {
				return err
			}
		}
		err = s.remove(ctx, from, j)
		if job.KindOf(err) != job.Conflict {
			return err
		}
	}
}

func (s *Service) remove(ctx context.Context, from authz.Remover, j *job.Job) (err error) {
	if !j.Deleted {
		j.Deleted = true
		if !j.Status.Over() { // else it is billed already, and the bill stays as it is
			s.charge(ctx, j, s.charges.Write(1).Plus(s.billed(j)))
		}
		if j.Version, err = from.Documents.Swap(ctx, j.Stamp(s.now())); err != nil {
			return err
		}
	}
	if !j.Leased(s.now()) {
		if err := j.RecordUsage(ctx, from.Ledger); err != nil {
			return err
		}
	}
	if err := from.Lists.Delist(ctx, j); err != nil {
		return err
	}
	if err := from.Objects.Remove(ctx, job.Input, j.ObjectID(), ""); err != nil {
		return err
	}
	if err := from.Objects.Remove(ctx, job.Output, j.OutputObject(), ""); err != nil {
		return err
	}
	if j.Webhook != "" {
		if err := from.Events.EraseEvents(ctx, j.ObjectID()); err != nil {
			return err
		}
	}
	return from.Documents.Erase(ctx, j.ID, j.Version)
}
