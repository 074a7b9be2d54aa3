package sqsqueue

// For tests.
var (
	GroupOf = groupOf
	Seconds = seconds
)
