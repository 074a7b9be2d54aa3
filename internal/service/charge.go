package service

import (
	"context"

	"claimcheck.example/internal/job"
)

// charge puts into the document of a submit what it has cost so far, what is about to be
// stored beside the document, the document itself and the message.
func (u *submit) charge(ctx context.Context, beside job.Requests) {
	soon := beside.Plus(u.s.charges.Write(1))
	if u.staged != nil {
		soon = soon.Plus(u.s.charges.Message(1))
	}
	u.job.Requests = &job.Counted{}
	job.MeterOf(ctx).Charge(u.job, soon)
}

// beside returns the requests that store the image and the list's entry.
func (s *Service) beside(u *submit) (r job.Requests) {
	if c, ok := u.staged.(job.CommitCounter); ok && !u.stored {
		r = s.charges.Upload(c.CommitRequests())
	}
	if s.listing && !u.listed {
		r = r.Plus(s.charges.Write(1))
	}
	return r
}

// charge puts into a document that is about to be written what has been counted for it, and
// what is about to follow.
func (s *Service) charge(ctx context.Context, j *job.Job, soon job.Requests) {
	j.ForgetUncounted()
	job.MeterOf(ctx).Charge(j, soon)
}

// billed returns the requests that record the usage of a job.
func (s *Service) billed(j *job.Job) (r job.Requests) {
	if j.Attempts > 0 && !j.Leased(s.now()) {
		r = s.charges.Write(1)
	}
	return r
}
