package service

import (
	"context"

	"claimcheck.example/internal/job"
)

// Cancel ends an unfinished job, and returns it. A worker that has it stops at its
// next renewal of the lease, discards its output and bills its work; without a worker the
// bill is written here. Cancel returns a canceled job as it is, so it can be repeated.
// Conflict when the job is completed or failed.
func (s *Service) Cancel(ctx context.Context, who job.Caller, id job.ID) (*job.Job, error) {
	ctx, _ = job.WithMeter(ctx)
	for {
		j, with, err := s.authz.Cancel(ctx, who, id)
		if err != nil {
			return nil, err
		}
		switch seen := s.effective(j); {
		case seen.Status == job.Completed || seen.Status == job.Failed:
			return nil, job.Errorf(job.Conflict, "job %s is %s already; only a job that is not over can be canceled", id, seen.Status)
		case j.Status != job.StatusCanceled:
			if err := s.announceEnd(ctx, j); err != nil {
				return nil, err
			}
			j.Cancel(s.now(), canceledBy(who, j))
			s.charge(ctx, j, s.charges.Write(1).Plus(s.billed(j)))
			j.Version, err = with.Documents.Swap(ctx, j.Stamp(s.now()))
		}
		if job.KindOf(err) == job.Conflict {
			continue // it has changed meanwhile
		}
		if err == nil && !j.Leased(s.now()) {
			err = j.RecordUsage(ctx, with.Ledger)
		}
		if err != nil {
			return nil, err
		}
		return j, nil
	}
}

func canceledBy(who job.Caller, j *job.Job) string {
	if who.Owner() == j.Owner {
		return "canceled by its owner"
	}
	return "canceled by an administrator"
}
