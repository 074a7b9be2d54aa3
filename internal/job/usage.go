package job

import (
	"context"
	"encoding/json"
	"math"
	"time"
)

// UsageRecord is what one ended job has used. It is written once, at
// usage/{owner}/{yyyy-mm-dd}/{id}, where id is [Job.ObjectID], under the day (UTC) on which the job ended: the
// first time, where it was put back thereafter.
type UsageRecord struct {
	JobID             ID        `json:"job_id"`
	Owner             string    `json:"owner"`
	Outcome           Status    `json:"outcome"` // completed, failed, canceled, or deleted: before its end
	CreatedAt         time.Time `json:"created_at"`
	EndedAt           time.Time `json:"ended_at"`
	BytesIn           int64     `json:"bytes_in"`
	BytesOut          int64     `json:"bytes_out"`
	Pixels            int64     `json:"pixels"` // of the input, all frames; zero when unknown
	Attempts          int       `json:"attempts"`
	ProcessingSeconds float64   `json:"processing_seconds"` // as [Job.WorkSeconds]
	Units             float64   `json:"units,omitempty"`    // as the processor reported
	Requests          *Requests `json:"requests,omitempty"` // nil when they are not known
}

// deleted is the outcome of a job that its client deleted after work on it had begun and
// before it ended.
const deleted Status = "deleted"

// RecordUsage records what a job has used that is over or deleted. A job that
// never started costs nothing. It may be repeated.
func (j *Job) RecordUsage(ctx context.Context, ledger Ledger) error {
	u, record, err := j.EncodeUsage()
	if err == nil && record != nil {
		err = ledger.RecordUsage(ctx, u.Owner, u.EndedAt, j.ObjectID(), record)
	}
	if err != nil {
		return Wrap(KindOf(err), err, "the service could not record the job's usage; try again later")
	}
	return nil
}

// EncodeUsage returns what a job has used that is over or deleted, also as the ledger keeps
// it: nil for a job that costs nothing.
func (j *Job) EncodeUsage() (u UsageRecord, record []byte, err error) {
	if j.Unaccepted || j.Attempts == 0 {
		return u, nil, nil
	}
	u = j.Usage()
	record, err = json.Marshal(u)
	return u, record, err
}

// Usage returns the record of a job that is over or deleted. It is a function of the
// document alone, so every writer writes the same.
func (j *Job) Usage() UsageRecord {
	if j.Bill != nil {
		return *j.Bill
	}
	u := UsageRecord{
		JobID: j.ID, Owner: j.Owner, Outcome: j.Status, CreatedAt: j.CreatedAt, EndedAt: j.BilledAt,
		BytesIn: j.Input.SizeBytes, Pixels: j.Input.Pixels, Attempts: j.Attempts, ProcessingSeconds: j.WorkSeconds, Units: j.Units,
	}
	if c := j.Requests; c != nil && c.Attempts == j.Attempts {
		u.Requests = &c.Requests
	}
	if u.EndedAt.IsZero() {
		u.EndedAt = j.end()
	}
	if !j.Status.Over() {
		u.Outcome = deleted
	}
	if u.Pixels == 0 {
		u.Pixels = int64(j.Input.Width) * int64(j.Input.Height)
	}
	if j.Output != nil {
		u.BytesOut = j.Output.SizeBytes
	}
	return u
}

// UsageDay is what an owner used on one day (UTC).
type UsageDay struct {
	Day               string  `json:"day,omitempty"` // yyyy-mm-dd; empty for a total
	Jobs              int     `json:"jobs"`
	Completed         int     `json:"completed"`
	Failed            int     `json:"failed"`
	Canceled          int     `json:"canceled"`
	Deleted           int     `json:"deleted"` // before they ended
	BytesIn           int64   `json:"bytes_in"`
	BytesOut          int64   `json:"bytes_out"`
	Pixels            int64   `json:"pixels"`
	ProcessingSeconds float64 `json:"processing_seconds"`
	Units             float64 `json:"units"`
	// Requests are those of the jobs but the Uncounted, of which nothing is known.
	Requests  Requests `json:"requests"`
	Uncounted int      `json:"uncounted"`
}

// Add counts one job.
func (d *UsageDay) Add(u UsageRecord) {
	d.Jobs++
	switch u.Outcome {
	case Completed:
		d.Completed++
	case StatusCanceled:
		d.Canceled++
	case deleted:
		d.Deleted++
	default:
		d.Failed++
	}
	d.BytesIn += u.BytesIn
	d.BytesOut += u.BytesOut
	d.Pixels += u.Pixels
	d.ProcessingSeconds = sum(d.ProcessingSeconds, u.ProcessingSeconds)
	d.Units = sum(d.Units, u.Units)
	if u.Requests == nil {
		d.Uncounted++
	} else {
		d.Requests = d.Requests.Plus(*u.Requests)
	}
}

// merge counts the jobs of another sum.
func (d *UsageDay) merge(o UsageDay) {
	d.Jobs += o.Jobs
	d.Completed += o.Completed
	d.Failed += o.Failed
	d.Canceled += o.Canceled
	d.Deleted += o.Deleted
	d.BytesIn += o.BytesIn
	d.BytesOut += o.BytesOut
	d.Pixels += o.Pixels
	d.ProcessingSeconds = sum(d.ProcessingSeconds, o.ProcessingSeconds)
	d.Units = sum(d.Units, o.Units)
	d.Requests = d.Requests.Plus(o.Requests)
	d.Uncounted += o.Uncounted
}

// sum adds up to the millionth: no 0.30000000000000004 on a bill.
func sum(a, b float64) float64 { return math.Round((a+b)*1e6) / 1e6 }

// Usage is what an owner used over some days.
type Usage struct {
	Owner string     `json:"owner"`
	From  string     `json:"from"`
	To    string     `json:"to"`
	Days  []UsageDay `json:"days"` // those on which a job ended, in order
	Total UsageDay   `json:"total"`
}
