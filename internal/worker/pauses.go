package worker

import (
	"errors"
	"math/rand/v2"
	"time"

	"claimcheck.example/internal/job"
)

// longestRest bounds the rest that an error asks for.
const longestRest = 12 * time.Hour

// restAfter returns how long a job rests after its nth failed attempt: the time that the
// error asks for, else 2 s doubled per attempt up to 5 min; spread by half to keep jobs
// apart. Zero attempts, an unknown number, count as one.
func restAfter(err error, attempt int) time.Duration {
	d := min(2*time.Second<<min(max(attempt, 1)-1, 16), 5*time.Minute)
	if e, ok := errors.AsType[*job.Error](err); ok && e.RetryAfter > 0 {
		d = min(e.RetryAfter, longestRest)
	}
	return d + rand.N(d/2+1)
}

// outage returns how long a message rests when storage fails: growing, but short, so that
// work goes on soon after storage has come back.
func outage(d job.Delivery) time.Duration {
	return min(restAfter(nil, d.Received), 10*time.Second+rand.N(5*time.Second))
}

// maxInterruptions is the number of attempts of a job that do not count because the
// worker stops or storage fails; further ones count. With the rests between them they
// cover an outage of nine hours.
const maxInterruptions = 100

// interrupted returns how long a job rests that storage's failure interrupts after n
// others: as long as in an outage at first, and up to 5 min later.
func interrupted(d job.Delivery, n int) time.Duration {
	const short = 10
	if n < short {
		return outage(d)
	}
	return restAfter(nil, n-short+4)
}

// rest returns how long a message rests when another worker has its job: until the lease
// is over. That worker renews its lease as long as it lives, so the message of a job that
// runs for hours need not come back every minute.
func (r *Runner) rest(j *job.Job, now time.Time) time.Duration {
	left := j.LeaseUntil.Sub(now)
	if left > r.Lease/2 && !j.StartedAt.IsZero() {
		return max(left, now.Sub(j.StartedAt)/8)
	}
	return left
}

// hidden returns d, or the rest of the time that the queue can hide a message delivered
// at received, less a margin for the difference between the clocks. It is not positive
// when no time is left.
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
