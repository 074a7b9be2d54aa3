package worker

import (
	"errors"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

// longestRest bounds the pause of an error's RetryAfter.
const longestRest = 12 * time.Hour

// restAfter returns the pause after the nth failed attempt of a job: the RetryAfter of the
// error, else 2 s doubled per attempt up to 5 min, plus up to half of it at random. Zero
// attempts, an unknown number, count as one. It is a function of the number in the document,
// since the next attempt may run in another process; package backoff counts in memory.
func restAfter(err error, attempt int) time.Duration {
	d := min(2*time.Second<<min(max(attempt, 1)-1, 16), 5*time.Minute)
	if e, ok := errors.AsType[*job.Error](err); ok && e.RetryAfter > 0 {
		d = min(e.RetryAfter, longestRest)
	}
	return d + rand.N(d/2+1)
}

// outage returns the pause of a message after a failure of storage: it grows, but stays short,
// so that work continues soon after the outage.
func outage(d job.Delivery) time.Duration {
	return min(restAfter(nil, d.Received), 10*time.Second+rand.N(5*time.Second))
}

// maxInterruptions is the number of attempts of a job that do not count because the worker
// stops or storage fails; further ones count. With their pauses they cover an outage of nine
// hours.
const maxInterruptions = 100

// interrupted returns the pause of a job after its nth interruption by a failure of storage:
// initially that of an outage, later up to 5 min.
func interrupted(d job.Delivery, n int) time.Duration {
	const short = 10
	if n < short {
		return outage(d)
	}
	return restAfter(nil, n-short+4)
}

// rest returns the pause of a message whose job another worker has: until the lease ends. That
// worker renews its lease while it runs, so the message of a job that runs for hours need not
// come back every minute.
func (r *Runner) rest(j *job.Job, now time.Time) time.Duration {
	left := j.LeaseUntil.Sub(now)
	if left > r.Lease/2 && !j.StartedAt.IsZero() {
		return max(left, now.Sub(j.StartedAt)/8)
	}
	return left
}

// hidden returns d, or the remaining time for which the queue can hide a message delivered at
// received, less a margin for the difference between the clocks. It is not positive if no time
// is left. PROCESS_TIMEOUT is below the limit of SQS, but a pause after a long run can exceed
// it: then the document has the end of the pause (NotBefore).
func (r *Runner) hidden(d time.Duration, received time.Time) time.Duration {
	return hidden(r.Queue, d, received, r.Now())
}

func hidden(q job.Queue, d time.Duration, received, now time.Time) time.Duration {
	longest := q.LongestInvisible()
	if longest == 0 {
		return d
	}
	return min(d, received.Add(longest-min(time.Minute, longest/10)).Sub(now))
}
