// Package sqsserver is the Amazon SQS of standard queues on loopback, for development
// and tests: the wire protocols as the SDKs speak them, over a bbolt file.
//
// It speaks AWS JSON 1.0, which today's SDKs use, and the query protocol (form in, XML
// out) of botocore before 1.31 and the command line of that time. Both decode into the
// same input types and answer with the same output types. Every request is refused
// unless its Signature Version 4 is right.
//
// What is here behaves as the service does: at-least-once delivery under visibility
// timeouts, receipt handles that a later delivery makes stale, delays, retention,
// redrive to a dead-letter queue, long polls that wake when a message becomes visible,
// message move tasks. Knowingly different: counts are exact; a purge and the deletion of a
// queue take effect at once and may be repeated at once; permissions, encryption and
// RedriveAllowPolicy are stored and have no effect; FIFO queues are refused with
// UnsupportedOperation. A message group is accepted and handed back, as on a fair
// queue, and does not change the order.
//
// A message is acknowledged to its sender after bbolt has synced its file, so that
// neither a killed process nor a power cut loses it, unless [Options].NoSync is set.
package sqsserver
