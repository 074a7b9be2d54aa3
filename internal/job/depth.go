package job

// Depth is the number of messages in a queue at one moment. Some queues count
// approximately.
type Depth struct {
	// Visible messages can be received.
	Visible int64
	// Hidden messages were received and not yet deleted, or are delayed.
	Hidden int64
	// Dead messages were delivered too often. It is zero where the queue does not count
	// its dead letters, as CountsDead says.
	Dead       int64
	CountsDead bool
}
