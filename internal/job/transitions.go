package job

import (
	"time"

	"github.com/google/uuid"
)

// Stamp prepares j for its next write: a fresh revision and the time of the change.
func (j *Job) Stamp(now time.Time) *Job {
	j.Revision = uuid.NewString()
	j.UpdatedAt = now.UTC().Truncate(time.Millisecond)
	return j
}

// Effective returns the job with its effective status, the one that clients see: a job that
// nothing can end any more, since its message is older than the queue's retention, is failed.
// One whose time to be canceled has come is canceled, unless a worker holds its lease: that
// worker ends it.
func (j *Job) Effective(now time.Time, retention time.Duration) *Job {
	var why string
	status := Failed
	switch {
	case !j.Status.Over() && !j.Leased(now) && j.CancelDue(now):
		status, why = StatusCanceled, j.cancelAfterOver()
	case j.Status == Pending && !j.UploadUntil.IsZero():
		if now.After(j.UploadUntil) {
			why = "the image was not uploaded and committed in time; submit it again"
		}
	case j.Status == Pending && now.Sub(j.UpdatedAt) > retention:
		why = "no worker started this job in time; submit it again"
	case j.Status == Processing && now.After(j.LeaseUntil) && now.Sub(j.QueuedAt()) > retention:
		why = "the worker of this job was lost and no other took over in time; submit it again"
	}
	if why == "" {
		return j
	}
	c := *j
	c.Status, c.Message, c.Lapsed = status, why, true
	return &c
}

// Finish brings j to a final status at the time now. Message and output are the caller's.
func (j *Job) Finish(s Status, now time.Time) {
	j.Status, j.EndedAt = s, now.UTC()
	j.LeaseUntil, j.Worker, j.Progress = time.Time{}, "", nil
	j.WebhookDue = j.Webhook != ""
}

// Requeue makes a failed job pending again, with all its attempts. A job that was billed
// keeps the end that its usage record has.
func (j *Job) Requeue(now time.Time) {
	if j.Status == Failed && j.Attempts > 0 && j.BilledAt.IsZero() {
		bill := j.Usage()
		j.BilledAt, j.Bill = j.end(), &bill
	}
	if j.ForgetUncounted(); j.Requests != nil {
		j.Requests = &Counted{j.Requests.Requests, 0}
	}
	j.Status, j.Message, j.Refused, j.Attempts, j.Interruptions = Pending, "", "", 0, 0
	j.Worker, j.LeaseUntil, j.StartedAt, j.EndedAt = "", time.Time{}, time.Time{}, time.Time{}
	j.NotBefore, j.RedrivenAt, j.WebhookDue = time.Time{}, now.UTC(), false
}
