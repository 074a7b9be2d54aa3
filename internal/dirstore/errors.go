package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"claimcheck.example/internal/job"
)

// Sentences for clients. The log has the cause, for the operator.
const (
	sayUnavailable   = "storage cannot take or give this at the moment; try again shortly"
	sayMisconfigured = "storage is misconfigured; the operator must fix it"
	sayConflict      = "another request changed it first; read it again"
	sayNotFound      = "there is no such object in storage"
	sayRange         = "the range is outside of the object"
	sayCorrupt       = "the object is damaged; submit the image again"
	sayCanceled      = "the request was canceled"
)

// translate turns an error of the file system into a job.Error, whose cause names the
// operation and says what the operator can do. It returns nil and errors of the domain
// unchanged. No other function knows the meaning of the system's errors.
func (s *Store) translate(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*job.Error](err); ok {
		return err
	}
	cause := fmt.Errorf("%s: %w", operation, err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return job.Wrap(job.Canceled, cause, sayCanceled)
	case errors.Is(err, fs.ErrNotExist):
		return job.Wrap(job.NotFound, cause, sayNotFound)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return s.misconfigured(operation, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.Wrap(job.Unavailable, job.Hint(cause, "the disk of %s is full", s.root), sayUnavailable)
	}
	return job.Wrap(job.Unavailable, cause, sayUnavailable)
}

// misconfigured returns the error for folders that are missing or not accessible.
func (s *Store) misconfigured(operation string, err error) error {
	hint := "this process may not read and write " + s.root + "; give the folder to its account"
	if errors.Is(err, fs.ErrNotExist) {
		hint = s.root + " is not a folder of this service; mount its disk, or run claimcheck provision"
	}
	return job.Wrap(job.Misconfigured, fmt.Errorf("%s: %w", operation, job.Hint(err, "%s", hint)), sayMisconfigured)
}
