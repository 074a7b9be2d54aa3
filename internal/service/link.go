package service

import (
	"context"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

const (
	// MinLink and MaxLink bound how long a link is valid.
	MinLink = time.Minute
	MaxLink = 7 * 24 * time.Hour
)

// Share makes a link to the output of a job in any state, and returns its
// token and the time at which it expires. Nothing is stored.
func (s *Service) Share(ctx context.Context, who job.Caller, id job.ID, ttl time.Duration, download bool) (token string, expiresAt time.Time, err error) {
	expiresAt = s.now().Add(ttl).UTC().Truncate(time.Second)
	_, token, err = s.authz.Share(ctx, who, id, expiresAt, download)
	if err == nil && (ttl < MinLink || ttl > MaxLink) {
		err = job.Errorf(job.Invalid, "expires_in must be a whole number of seconds from %.0f to %.0f", MinLink.Seconds(), MaxLink.Seconds())
	}
	return token, expiresAt, err
}

// Linked returns the output behind a link's token, or the part of it that choose asks for;
// the caller closes Body. admit is asked, with the owner of the job, before storage is asked
// for the output. Errors reveal nothing of the job, because anyone may have the link.
// Without an output the error is NotFound, and the job is returned with it.
func (s *Service) Linked(ctx context.Context, token string, admit func(owner string) error, choose func(*job.Job) job.OpenOptions) (*job.Job, authz.Link, *job.Content, error) {
	j, link, open, err := s.authz.Linked(ctx, token)
	if err != nil {
		return nil, authz.Link{}, nil, err
	}
	j = s.effective(j)
	switch {
	case !j.Status.Over():
		return j, link, nil, job.Errorf(job.NotFound, "there is no output behind this link yet; try again later")
	case j.Status != job.Completed:
		return j, link, nil, job.Errorf(job.NotFound, "there is no output behind this link: its job did not complete")
	}
	if err := admit(j.Owner); err != nil {
		return j, link, nil, err
	}
	j, c, err := opened(ctx, j, open, choose)
	return j, link, c, err
}
