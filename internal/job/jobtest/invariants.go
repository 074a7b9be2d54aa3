package jobtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"claimcheck.example/internal/job"
)

// checkDocument returns an error for an invalid document.
func checkDocument(j *job.Job) error {
	switch {
	case j.ID == "":
		return fmt.Errorf("a document without job_id")
	case !j.Status.Known():
		return fmt.Errorf("job %s: unknown status %q", j.ID, j.Status)
	case j.Revision == "":
		return fmt.Errorf("job %s: a write without a revision", j.ID)
	case j.Owner == "":
		return fmt.Errorf("job %s: it has no owner", j.ID)
	case j.CreatedAt.IsZero() || j.UpdatedAt.IsZero():
		return fmt.Errorf("job %s: created_at or updated_at is missing", j.ID)
	case (j.Status == job.Failed || j.Status == job.StatusCanceled) && j.Message == "":
		return fmt.Errorf("job %s: %s without a message for the client", j.ID, j.Status)
	case j.Status == job.Processing && j.LeaseUntil.IsZero():
		return fmt.Errorf("job %s: processing without a lease", j.ID)
	case j.Status == job.Processing && j.LeaseUntil.After(j.UpdatedAt) && (j.Worker == "" || j.Attempts < 1):
		return fmt.Errorf("job %s: a lease without worker or attempt", j.ID)
	case j.Status == job.Completed && j.Output == nil:
		return fmt.Errorf("job %s: completed without an output", j.ID)
	case j.Status == job.Completed && j.CancelDue(j.EndedAt):
		return fmt.Errorf("job %s: completed at %s, although it was to be canceled at %s", j.ID, j.EndedAt, j.CancelAt())
	case j.Status == job.StatusCanceled && j.Output != nil:
		return fmt.Errorf("job %s: canceled with an output", j.ID)
	}
	if _, err := job.ParseID(string(j.ID)); err != nil {
		return fmt.Errorf("job_id %q is not a canonical UUID", j.ID)
	}
	return nil
}

// checkBirth returns an error for a document that no create may write.
func checkBirth(j *job.Job) error {
	if j.Status != job.Pending && j.Status != job.Failed {
		return fmt.Errorf("job %s: born %s; a job begins pending, or failed", j.ID, j.Status)
	}
	if j.Attempts != 0 {
		return fmt.Errorf("job %s: born with %d attempts", j.ID, j.Attempts)
	}
	return checkDocument(j)
}

// CheckStep returns an error for an invalid change of a document: one that is not a transition of
// a job's life, or that changes a constant member.
func CheckStep(was, is *job.Job) error {
	if err := checkDocument(is); err != nil {
		return err
	}
	switch {
	case was.ID != is.ID:
		return fmt.Errorf("job %s became job %s", was.ID, is.ID)
	case was.Owner != is.Owner:
		return fmt.Errorf("job %s: its owner changed from %q to %q", is.ID, was.Owner, is.Owner)
	case was.Revision == is.Revision:
		return fmt.Errorf("job %s: written with the revision it had", is.ID)
	case was.Unaccepted && (is.Status == job.Pending || is.Unaccepted):
		return checkBirth(is) // nothing was promised: the repeat is a new birth
	case !was.CreatedAt.Equal(is.CreatedAt):
		return fmt.Errorf("job %s: its created_at changed", is.ID)
	case !sameExtra(was, is):
		return fmt.Errorf("job %s: lost what another release has written: %s became %s", is.ID, was.Extra, is.Extra)
	case was.UID != is.UID && was.UploadUntil.IsZero():
		return fmt.Errorf("job %s: its uid changed from %q to %q", is.ID, was.UID, is.UID)
	case was.CancelAfter != is.CancelAfter:
		return fmt.Errorf("job %s: its cancel_after changed from %d to %d", is.ID, was.CancelAfter, is.CancelAfter)
	case !was.BilledAt.IsZero() && !was.BilledAt.Equal(is.BilledAt):
		return fmt.Errorf("job %s: was billed at %s, and then at %s", is.ID, was.BilledAt, is.BilledAt)
	case is.Status == job.Pending && !was.RedrivenAt.Equal(is.RedrivenAt):
		return checkRedrive(was, is)
	case was.Status.Over() && was.Status != is.Status:
		return fmt.Errorf("job %s: %s is final, yet it became %s", is.ID, was.Status, is.Status)
	case was.Status == job.Pending && is.Status == job.Completed:
		return fmt.Errorf("job %s: completed without having been claimed", is.ID)
	case was.Status == job.Pending && is.Status == job.Processing && is.Attempts != was.Attempts+1:
		return fmt.Errorf("job %s: a claim took attempts from %d to %d", is.ID, was.Attempts, is.Attempts)
	}
	if d := is.Attempts - was.Attempts; d < -1 || d > 1 {
		return fmt.Errorf("job %s: attempts went from %d to %d in one step", is.ID, was.Attempts, is.Attempts)
	}
	return nil
}

func sameExtra(was, is *job.Job) bool {
	return maps.EqualFunc(was.Extra, is.Extra, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// checkRedrive returns an error for an invalid redrive: the job must have failed, or have lost
// a worker or a message, and it starts from the beginning.
func checkRedrive(was, is *job.Job) error {
	switch {
	case was.Status == job.Completed || was.Status == job.StatusCanceled || was.Unaccepted || was.Deleted || !was.UploadUntil.IsZero():
		return fmt.Errorf("job %s: put back although it was %s", is.ID, was.Status)
	case is.Attempts != 0 || is.Message != "" || is.Worker != "" || !is.LeaseUntil.IsZero() || !is.StartedAt.IsZero() || !is.EndedAt.IsZero() || is.Output != nil:
		return fmt.Errorf("job %s: put back with something of its former life: %+v", is.ID, is)
	case was.Status == job.Failed && was.Attempts > 0 && is.BilledAt.IsZero():
		return fmt.Errorf("job %s: put back, and its bill forgotten", is.ID)
	case is.RedrivenAt.Before(was.RedrivenAt):
		return fmt.Errorf("job %s: put back at %s after it had been at %s", is.ID, is.RedrivenAt, was.RedrivenAt)
	}
	return nil
}
