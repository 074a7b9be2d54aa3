package service

import (
	"context"
	"fmt"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

// Output returns the result of a completed job, or the part of it that choose asks for
// once it has seen the job; the caller closes Body. When the job exists but there is no
// output (yet), the error is NotFound and the job is returned beside it.
func (s *Service) Output(ctx context.Context, who job.Caller, id job.ID, choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error) {
	j, open, err := s.authz.Output(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	j = s.effective(j)
	switch j.Status {
	case job.Completed:
	case job.Failed:
		return j, nil, job.Errorf(job.NotFound, "job %s failed and has no output: %s", id, j.Message)
	case job.StatusCanceled:
		return j, nil, job.Errorf(job.NotFound, "job %s is canceled and has no output: %s", id, j.Message)
	default:
		return j, nil, job.Errorf(job.NotFound, "job %s is %s and has no output yet; read its status until it is completed", id, j.Status)
	}
	return opened(ctx, j, open, choose)
}

// opened returns the output of a completed job.
func opened(ctx context.Context, j *job.Job, open authz.Opener, choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error) {
	c, err := open(ctx, choose(j))
	if job.KindOf(err) == job.NotFound {
		return j, nil, job.Wrap(job.NotFound, err, fmt.Sprintf("the output of job %s is gone; the service keeps outputs for a limited time", j.ID))
	}
	return j, c, err
}
