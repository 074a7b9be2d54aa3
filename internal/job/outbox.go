package job

import "context"

// Outbox is a store of documents that has its messages in the same place, so that a job and
// its message become durable in one step. Safe for concurrent use.
type Outbox interface {
	// CreateAndSend is Create of [Documents] and Send of [Queue] in one: both take effect or
	// neither does. Its errors are those of Create.
	CreateAndSend(ctx context.Context, j *Job, m Message) (version string, err error)
}
