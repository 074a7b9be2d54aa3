// Package sqsqueue implements job.Queue on SQS.
//
// A message's body is {"job_id": "..."}, and for the webhook of a job that is over
// {"job_id": "...", "for": "webhook"}; the W3C trace context travels in the message
// attributes traceparent and tracestate. The message group is the job's owner, which makes
// a standard queue a fair one: an owner with many jobs does not delay the others.
//
// Rights needed (IAM actions, on the queue): sqs:SendMessage to submit;
// sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility to work;
// sqs:GetQueueAttributes for [Queue.Ready] and [Queue.Depth].
//
// The SDK repeats a send whose answer was lost, so the queue may contain a message twice.
// Receivers must tolerate that.
package sqsqueue
