// Package sqsqueue is job.Queue on SQS.
//
// A message's body is {"job_id": "..."}; the W3C trace context travels as the message
// attributes traceparent and tracestate; the message group is the job's owner, which
// makes a standard queue a fair one: an owner with many jobs does not hold up the rest.
//
// Rights needed (IAM actions, on the queue): sqs:SendMessage to submit;
// sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility to work;
// sqs:GetQueueAttributes for [Queue.Ready].
//
// The SDK repeats a send whose answer was lost, so that a message may be in the queue
// twice. Whoever receives must be able to bear that.
package sqsqueue
