package job

// Account is one of an owner's accounts in a quota.
type Account uint8

const (
	// NewJobs is booked with submits that make jobs.
	NewJobs Account = iota
	// Repeats is booked with what makes none: submits under a key that names a job already,
	// and commits. It takes twice as many requests, one repeat and one commit for each job,
	// and as many bytes.
	Repeats
)

// Quota bounds what each owner may send. Safe for concurrent use; it decides from memory
// and waits for nothing.
type Quota interface {
	// Request books one request and the bytes that its body announces, before the body is
	// read. Exhausted, with RetryAfter, and nothing is booked, when the owner has sent too
	// much already.
	Request(owner string, a Account, announced int64) error
	// Bytes books n bytes of a body that have been read beyond what it announced.
	// Exhausted when they are more than is left, all of which they use up.
	Bytes(owner string, a Account, n int64) error
	// Refund gives back requests and bytes that were booked and are not used.
	Refund(owner string, a Account, requests int, bytes int64)
	// Reads books n documents that a list is about to read. Exhausted, with RetryAfter, and
	// nothing is booked, when the owner has read too much already.
	Reads(owner string, n int) error
	// Unread gives back reads that were booked and not made.
	Unread(owner string, n int)
}
