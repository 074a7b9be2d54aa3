package sqsqueue

// For tests of their own.
var (
	DecodeBody = decodeBody
	EncodeBody = encodeBody
	GroupOf    = groupOf
	Seconds    = seconds
)
