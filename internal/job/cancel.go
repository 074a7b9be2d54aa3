package job

import (
	"fmt"
	"time"
)

// MaxCancelAfter bounds [Job.CancelAfter], in seconds: a week.
const MaxCancelAfter = 7 * 24 * 60 * 60

// Leased reports whether a worker holds the job at the time now. The worker of a canceled
// job may not have noticed yet; it must still report its working time.
func (j *Job) Leased(now time.Time) bool {
	return j.Worker != "" && now.Before(j.LeaseUntil)
}

// CancelAt is when the job's Cancel-After is over; zero for never.
func (j *Job) CancelAt() time.Time {
	if j.CancelAfter == 0 {
		return time.Time{}
	}
	return j.CreatedAt.Add(time.Duration(j.CancelAfter) * time.Second)
}

// CancelDue reports whether that time is over.
func (j *Job) CancelDue(now time.Time) bool {
	at := j.CancelAt()
	return !at.IsZero() && !now.Before(at)
}

func (j *Job) cancelAfterOver() string {
	return fmt.Sprintf("its Cancel-After of %d s was over", j.CancelAfter)
}

// Cancel cancels a job at the time now unless it is over. When why is empty, or the job's
// Cancel-After is over, the message gives that as the reason. A worker that holds the
// lease keeps it: until that worker has noticed, or the lease is over, the job is not
// ready for its bill.
func (j *Job) Cancel(now time.Time, why string) {
	held, until := "", time.Time{}
	if j.Leased(now) {
		held, until = j.Worker, j.LeaseUntil
	}
	if why == "" || j.CancelDue(now) {
		why = j.cancelAfterOver()
	}
	j.Finish(StatusCanceled, now)
	j.Message, j.Worker, j.LeaseUntil, j.NotBefore = why, held, until, time.Time{}
}
