package sqsqueue

// For tests of their own.
var (
	GroupOf = groupOf
	Seconds = seconds
)
