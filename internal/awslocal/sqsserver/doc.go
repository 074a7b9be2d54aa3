// Package sqsserver is an Amazon SQS server for standard queues on loopback, for
// development and tests: it speaks the wire protocols of the SDKs, over a bbolt file.
//
// It speaks AWS JSON 1.0, which current SDKs use, and the query protocol (form in, XML out)
// of botocore before 1.31 and its command line. Both decode into the same input types and
// answer with the same output types. It refuses every request without a valid Signature
// Version 4.
//
// It behaves as the service does: at-least-once delivery under visibility timeouts, receipt
// handles that a later delivery invalidates, delays, retention, redrive to a dead-letter
// queue, long polls that wake when a message becomes visible. Known differences: counts are
// exact; a purge and the deletion of a queue take effect at once and may be repeated at
// once; permissions, encryption and RedriveAllowPolicy are stored without effect; there are
// no message move tasks; FIFO queues get UnsupportedOperation. A message group is accepted
// and returned, as on a fair queue, and does not change the order.
//
// The server acknowledges a message once bbolt has synced its file, so neither a killed
// process nor a power cut loses it. With [Options].NoSync a power cut can.
package sqsserver
