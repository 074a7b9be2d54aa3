package provision

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Wanted describes the resources. All fields but the queues and Shorten are required.
type Wanted struct {
	// Region is the bucket's region, such as eu-central-1.
	Region string
	// Bucket is the bucket's name.
	Bucket string
	// Queue and DeadLetter are the names of two standard queues; both empty for none.
	Queue, DeadLetter string
	// Webhooks is the name of a queue for webhooks, whose dead-letter queue has the same name
	// with -dead; empty for none.
	Webhooks string
	// JobTTLDays is the age after the last change at which the objects of a job are deleted.
	JobTTLDays int
	// Retention is the time that the queue keeps a message: 1 min to 14 days.
	Retention time.Duration
	// Visibility is the lower bound of the queue's default visibility timeout, up to 12 h.
	// Workers set their own with each receive; event source mappings do not.
	Visibility time.Duration
	// MaxReceives is the lower bound of the deliveries after which a message becomes a dead
	// letter: 1 to 1000.
	MaxReceives int
	// Origins are the origins, such as https://jobs.example.com, whose pages may upload to
	// the bucket directly; "*" allows all. Empty leaves that setting alone.
	Origins []string
	// Shorten allows changes that delete data sooner than now.
	Shorten bool
	// Prove checks the promises of a store and a queue under custom endpoints, unless the
	// bucket holds a valid finding; Again checks in any case.
	Prove, Again bool
	// NoGroups leaves message groups out of the checks of the queue.
	NoGroups bool
}

func (w Wanted) noQueues() bool { return w.Queue == "" && w.DeadLetter == "" }

func (w Wanted) webhookDead() string { return w.Webhooks + "-dead" }

const (
	maxRetention  = 14 * 24 * time.Hour
	maxVisibility = 12 * time.Hour
	maxReceives   = 1000
)

var (
	bucketName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) })
	queueName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`) })
)

// Check returns one error that names every mistake.
func (w Wanted) Check() error {
	var wrong []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	want(w.Region != "", "the region is missing: give --region, or set AWS_REGION")
	want(bucketName().MatchString(w.Bucket), "%q is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens", w.Bucket)
	var queues []string
	if !w.noQueues() {
		queues = []string{w.Queue, w.DeadLetter}
	}
	for _, q := range queues {
		want(!strings.HasSuffix(q, ".fifo"), "%q is a FIFO queue; Claimcheck wants a standard queue, which is a fair one by its message groups", q)
		want(queueName().MatchString(strings.TrimSuffix(q, ".fifo")), "%q is not a queue name: up to 80 letters, digits, hyphens and underscores", q)
	}
	if w.Webhooks != "" {
		want(queueName().MatchString(w.Webhooks) && w.Webhooks != w.Queue && w.Webhooks != w.DeadLetter && w.webhookDead() != w.Queue && w.webhookDead() != w.DeadLetter,
			"%q is not a name for the queue of webhooks: up to 80 letters, digits, hyphens and underscores, and another name than those of the other queues", w.Webhooks)
	}
	want(w.noQueues() || w.Queue != w.DeadLetter, "queue and dead-letter queue are both called %q; they must be two", w.Queue)
	want(w.JobTTLDays >= 1, "a time to live of %d days is out of range (at least 1)", w.JobTTLDays)
	want(w.Retention >= time.Minute && w.Retention <= maxRetention, "a retention of %s is out of range (1m to 336h)", w.Retention)
	want(w.JobTTLDays < 1 || w.JobTTLDays > 14 || time.Duration(w.JobTTLDays)*24*time.Hour >= w.Retention,
		"a time to live of %d days is less than the retention of %s: jobs that wait in the queue would be deleted", w.JobTTLDays, w.Retention)
	want(w.Visibility >= 0 && w.Visibility <= maxVisibility, "a visibility of %s is out of range (0s to 12h)", w.Visibility)
	want(w.MaxReceives >= 1 && w.MaxReceives <= maxReceives, "%d receives are out of range (1 to %d)", w.MaxReceives, maxReceives)
	for _, o := range w.Origins {
		want(isOrigin(o), "%q is not an origin: write it like https://jobs.example.com, without a path", o)
	}
	return errors.Join(wrong...)
}
