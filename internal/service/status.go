package service

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
)

// Status returns the job as the caller may see it. A job that can no longer end by
// itself is failed, whatever its document says.
func (s *Service) Status(ctx context.Context, who job.Caller, id job.ID) (*job.Job, error) {
	j, err := s.authz.Status(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return s.seen(ctx, j)
}

// seen returns the job as its status shows it.
func (s *Service) seen(ctx context.Context, j *job.Job) (_ *job.Job, err error) {
	j = s.effective(j)
	j.Upload, err = s.upload(ctx, j)
	return j, err
}

func (s *Service) effective(j *job.Job) *job.Job { return j.Effective(s.now(), s.limits.Retention) }

// upload returns the request with which the job's image can still be put into storage,
// or nil when the job awaits none (any more).
func (s *Service) upload(ctx context.Context, j *job.Job) (*job.Upload, error) {
	left := j.UploadUntil.Sub(s.now())
	if j.UploadUntil.IsZero() || left <= 0 || s.effective(j).Status != job.Pending {
		return nil, nil
	}
	u, err := s.presigner.PresignInput(ctx, j.ObjectID(), j.Input, left)
	if err != nil {
		return nil, err
	}
	if u.ExpiresAt.After(j.UploadUntil) {
		u.ExpiresAt = j.UploadUntil
	}
	u.ExpiresAt = u.ExpiresAt.UTC().Truncate(time.Second)
	return u, nil
}
