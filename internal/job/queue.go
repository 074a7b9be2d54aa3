package job

import (
	"context"
	"time"
)

// Message is the claim check that travels through the queue: which job, never the
// image and never the truth about it.
type Message struct {
	JobID ID
	// Owner spreads the queue's fairness: the message group of a fair queue.
	Owner string
	// Trace is the W3C trace context (traceparent, tracestate); may be nil.
	Trace map[string]string
	// Webhook says that the message is for the webhook of a job that is over, and not for
	// the job.
	Webhook bool
}

// Delivery is a message as received. The same message can be delivered again, to
// this or another receiver, until it is deleted.
type Delivery struct {
	Message
	// Receipt names this delivery to Extend and Delete.
	Receipt string
	// Received counts the deliveries of this message, this one included; zero where the
	// queue does not count.
	Received int
	// SentAt is when the message entered the queue; zero when unknown.
	SentAt time.Time
	// Job is the document of the job at the moment of the delivery, where the queue has it
	// at hand; else nil.
	Job *Job
	// Malformed says why the body is not a valid message; then JobID is empty.
	Malformed string
}

// Queue carries messages at least once, in no promised order. Safe for concurrent use.
//
// Expected failures have these kinds: Unavailable, Misconfigured, Canceled.
type Queue interface {
	// Send returns once the message is durable. After an error the message may have
	// been sent all the same.
	Send(ctx context.Context, m Message) error

	// Receive waits up to 20 seconds for messages and returns at most limit (1..10) of
	// them, none when none came. They stay invisible to others for the visibility.
	Receive(ctx context.Context, limit int, visibility time.Duration) ([]Delivery, error)

	// Extend makes the message invisible for d from now on; zero makes it visible at
	// once. NotFound when the receipt is no longer valid, as far as the queue can tell:
	// without an error the message may have been deleted or delivered again all the same.
	Extend(ctx context.Context, receipt string, d time.Duration) error

	// LongestInvisible is the longest time after its delivery for which a message can be
	// kept invisible, whatever Extend asks; zero when there is no limit.
	LongestInvisible() time.Duration

	// Delete removes the message for good. No error when it is gone already.
	Delete(ctx context.Context, receipt string) error

	// Ready reports whether the queue exists and may be used, with an error that says
	// which it is and what to do.
	Ready(ctx context.Context) error
}

// DeadLetters is a queue of the messages that another queue has given up delivering. Safe
// for concurrent use; the kinds of its errors are those of [Queue].
type DeadLetters interface {
	// Receive is that of [Queue].
	Receive(ctx context.Context, limit int, visibility time.Duration) ([]Delivery, error)

	// Extend is that of [Queue]; zero shows the message to others at once.
	Extend(ctx context.Context, receipt string, d time.Duration) error

	// Delete is that of [Queue].
	Delete(ctx context.Context, receipt string) error
}
