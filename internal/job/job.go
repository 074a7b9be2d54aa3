package job

import (
	"encoding/json"
	"time"
)

// Status is the state of a job.
type Status string

const (
	Pending        Status = "pending"    // accepted (or awaiting its direct upload), not begun
	Processing     Status = "processing" // claimed by a worker, under a lease
	Completed      Status = "completed"  // it has an output; final
	Failed         Status = "failed"     // it has no output; Message says why; final unless an operator puts it back
	StatusCanceled Status = "canceled"   // its owner, or time, ended it without an output; Message says which; final
)

// Over reports whether the status is final.
func (s Status) Over() bool { return s == Completed || s == Failed || s == StatusCanceled }

// Known reports whether the status is one of the five.
func (s Status) Known() bool {
	return s == Pending || s == Processing || s.Over()
}

// Media describes an image or a result.
type Media struct {
	// ContentType is a media type without parameters, found from the content.
	ContentType string `json:"content_type"`
	// SizeBytes is the length in bytes.
	SizeBytes int64 `json:"size_bytes"`
	// Width and Height are in pixels, of the first frame, as stored (before any EXIF
	// orientation); zero when unknown.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Pixels is the number of pixels of all frames together; zero when unknown.
	Pixels int64 `json:"pixels,omitempty"`
	// SHA256 is the lower-case hexadecimal SHA-256 of the bytes; empty when unknown.
	SHA256 string `json:"sha256,omitempty"`
	// Tag is the stored object's entity tag, without quotes; empty when unknown.
	Tag string `json:"etag,omitempty"`
}

// Progress is the progress of the processing of a job.
type Progress struct {
	// Fraction is of 0..1.
	Fraction float64 `json:"fraction"`
	// Note names the present step; may be empty.
	Note string `json:"note,omitempty"`
}

// Job is the job document, stored at jobs/{job_id}: the truth about one job. Every change
// is a compare-and-swap on Version.
type Job struct {
	ID        ID        `json:"job_id"`
	Status    Status    `json:"status"`
	Message   string    `json:"message,omitempty"` // one sentence for the client
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Attempts counts the claims that ended neither in success nor in an orderly
	// hand-back: 1 while the first worker is at it.
	Attempts int             `json:"attempts"`
	Input    Media           `json:"input"`
	Output   *Media          `json:"output,omitempty"`
	Params   json.RawMessage `json:"params,omitempty"`
	// Progress is the processor's last report in the current attempt; nil without one, and
	// unless processing.
	Progress *Progress `json:"progress,omitempty"`

	// The fields below are internal and never shown to clients.

	// UID names this life of a job under an idempotency key, since the key names the next
	// life of a deleted job by the same ID. Empty for jobs without a key, whose ID is of one
	// life. See [Job.ObjectID].
	UID ID `json:"uid,omitempty"`
	// Owner is Principal.Owner of the principal that submitted the job.
	Owner string `json:"owner"`
	// Revision is a fresh random token in each write. By it a writer whose answer was lost
	// recognises its own document.
	Revision string `json:"revision"`
	// LeaseUntil is when the claim of Worker lapses; zero unless processing, or canceled
	// under a worker that has not noticed yet.
	LeaseUntil time.Time `json:"lease_until,omitzero"`
	// Worker names the process that holds the lease.
	Worker string `json:"worker,omitempty"`
	// Interruptions counts the claims that ended by a worker's stop or a failure of storage
	// and that count as no attempt.
	Interruptions int `json:"interruptions,omitempty"`
	// Source is the SHA-256, in hexadecimal, of the URL that the input was fetched from; empty
	// for an input that its client sent. The URL itself may hold a secret.
	Source string `json:"source_digest,omitempty"`
	// UploadUntil is when the direct upload's URL expires; zero for jobs whose input
	// came with the submit, and once the upload is committed.
	UploadUntil time.Time `json:"upload_until,omitzero"`
	// Unaccepted marks a failed job whose submit got an error: no client has a promise, and
	// a repeat under its idempotency key may try again.
	Unaccepted bool `json:"unaccepted,omitempty"`
	// Refused is the Kind of a commit's refusal of the uploaded image; empty for none.
	Refused string `json:"refused,omitempty"`
	// Deleted marks a job whose deletion has begun: for everything but its deletion it no
	// longer exists.
	Deleted bool `json:"deleted,omitempty"`
	// StartedAt is when the current claim began; zero before the first.
	StartedAt time.Time `json:"started_at,omitzero"`
	// CancelAfter is the number of seconds from the submit after which the job is canceled;
	// zero for never.
	CancelAfter int `json:"cancel_after,omitempty"`
	// EndedAt is when the job became completed, failed or canceled.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// WorkSeconds is the processing time of all attempts together, without the waits for a
	// place and without attempts that ended by a worker's stop or loss.
	WorkSeconds float64 `json:"work_seconds,omitempty"`
	// Units are billable units that the processor reported; zero when none.
	Units float64 `json:"units,omitempty"`

	// Requests are what the job has cost in requests; nil when that is not known.
	Requests *Counted `json:"requests,omitempty"`
	// Bill is the usage of a job that was put back after it had been billed, as it was then.
	Bill *UsageRecord `json:"bill,omitempty"`

	// Webhook is the URL that the end of the job is posted to; empty for none. Its query may
	// hold a secret: it is never logged, and never shown.
	Webhook string `json:"webhook,omitempty"`
	// WebhookBase begins the URLs in what is posted, without a final slash: what the submit
	// was sent to.
	WebhookBase string `json:"webhook_base,omitempty"`
	// WebhookDue marks the end of a job with a webhook: the process that ends the job, or
	// finds it ended, sends the webhook's message before it deletes the job's.
	WebhookDue bool `json:"webhook_due,omitempty"`

	// NotBefore is when the next attempt may begin, where that is later than the queue can
	// keep the message invisible; zero otherwise.
	NotBefore time.Time `json:"not_before,omitzero"`

	// OutputID names the output of the current claim, or of the last, where no other claim
	// writes under that name. Empty where all claims of the job write to one name. See
	// [Job.OutputObject].
	OutputID ID `json:"output_id,omitempty"`

	// RedrivenAt is when an operator last put the job back; zero when none has.
	RedrivenAt time.Time `json:"redriven_at,omitzero"`
	// BilledAt is the end that the job's usage record is kept under, where that is not
	// EndedAt: the first, of a job that was put back after it had been billed.
	BilledAt time.Time `json:"billed_at,omitzero"`

	// Extra are the document's unknown members by name, which this release must keep; nil
	// for none. Never modified, so that copies of the job may share it.
	Extra map[string]json.RawMessage `json:"-"`

	// Lapsed marks what Effective returns of a job that its document does not know to be over.
	Lapsed bool `json:"-"`

	// Version identifies the stored state that this value was read from or written
	// as: the store's entity tag. Empty for a document that was never stored.
	Version string `json:"-"`

	// Upload is the request by which the image can still be uploaded; set only by the
	// service for a job that awaits its direct upload.
	Upload *Upload `json:"-"`
}

// ObjectID names the objects that belong only to this life of the job: its input, its
// output and its usage record. Late writes for a deleted life, such as an upload by a URL
// that is still valid, never become part of the next one.
func (j *Job) ObjectID() ID {
	if j.UID != "" {
		return j.UID
	}
	return j.ID
}

// OutputObject names the output of the job.
func (j *Job) OutputObject() ID {
	if j.OutputID != "" {
		return j.OutputID
	}
	return j.ObjectID()
}

// end is the time at which the job ended, also when its worker does not report it.
func (j *Job) end() time.Time {
	if j.EndedAt.IsZero() {
		return j.UpdatedAt
	}
	return j.EndedAt
}

// QueuedAt is when the job's message, or the first of several, was sent: at its submit or
// when it was last put back. A direct upload is taken from its announcement on.
func (j *Job) QueuedAt() time.Time {
	if j.RedrivenAt.After(j.CreatedAt) {
		return j.RedrivenAt
	}
	return j.CreatedAt
}
