package sqsqueue

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/job"
)

// SQS's limits.
const (
	maxWait       = 20 * time.Second
	maxVisibility = 12 * time.Hour
	maxReceive    = 10
)

// Options of a Queue. The zero value suits production.
type Options struct {
	// Wait is the time that Receive waits for a message; 20 s by default and at most. SQS
	// counts whole seconds.
	Wait time.Duration
	// CallTimeout bounds every other call, including its retries; 15 s by default.
	CallTimeout time.Duration
	// NoGroups omits the message group, for servers that refuse it on a standard queue.
	NoGroups bool
}

// Queue implements job.Queue on one SQS queue. Safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
	opts   Options
}

var _ job.Queue = (*Queue)(nil)

// New returns the queue at url. The client should be configured by [ClientOptions].
func New(client *sqs.Client, url string, opts Options) *Queue {
	if opts.Wait <= 0 || opts.Wait > maxWait {
		opts.Wait = maxWait
	}
	if opts.CallTimeout <= 0 {
		opts.CallTimeout = 15 * time.Second
	}
	return &Queue{client: client, url: url, opts: opts}
}

// Send implements job.Queue: one SendMessage.
func (q *Queue) Send(ctx context.Context, m job.Message) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	in := &sqs.SendMessageInput{
		QueueUrl:          &q.url,
		MessageBody:       aws.String(job.EncodeClaim(m)),
		MessageAttributes: encodeTrace(m.Trace),
	}
	if !q.opts.NoGroups {
		in.MessageGroupId = aws.String(groupOf(m.Owner))
	}
	_, err := q.client.SendMessage(ctx, in)
	return q.translate(caller, "SendMessage", err)
}

// Receive implements job.Queue: one ReceiveMessage, a long poll. The visibility is
// rounded up to whole seconds.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]job.Delivery, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.Wait+q.opts.CallTimeout)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:              &q.url,
		MaxNumberOfMessages:   int32(min(max(limit, 1), maxReceive)),
		VisibilityTimeout:     seconds(visibility),
		WaitTimeSeconds:       seconds(q.opts.Wait),
		MessageAttributeNames: traceKeys,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp,
		},
	}, longPoll)
	if err != nil {
		return nil, q.translate(caller, "ReceiveMessage", err)
	}
	got := make([]job.Delivery, 0, len(out.Messages))
	for _, m := range out.Messages {
		got = append(got, deliveryOf(m))
	}
	return got, nil
}

// deliveryOf converts a received message to a job.Delivery.
func deliveryOf(m types.Message) job.Delivery {
	attributes := make(map[string]string, len(m.MessageAttributes))
	for name, value := range m.MessageAttributes {
		attributes[name] = aws.ToString(value.StringValue)
	}
	return Delivery(Received{aws.ToString(m.Body), aws.ToString(m.ReceiptHandle), m.Attributes, attributes})
}

// Received is a message that another program received from the queue, such as Lambda's
// event source mapping.
type Received struct {
	Body, Receipt string
	System        map[string]string // of SQS, such as SentTimestamp
	Attributes    map[string]string // of the sender
}

// Delivery converts the message to a job.Delivery.
func Delivery(m Received) job.Delivery {
	d := job.Delivery{Receipt: m.Receipt, Received: 1}
	if n, err := strconv.Atoi(m.System[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		d.Received = n
	}
	if ms, err := strconv.ParseInt(m.System[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		d.SentAt = time.UnixMilli(ms)
	}
	id, webhook, err := job.DecodeClaim(m.Body)
	if err != nil {
		d.Malformed = err.Error()
		return d
	}
	d.JobID, d.Webhook, d.Trace = id, webhook, decodeTrace(m.Attributes)
	return d
}

// Extend implements job.Queue: ChangeMessageVisibility. It rounds up to whole seconds;
// SQS allows 12 hours in total since the receive.
func (q *Queue) Extend(ctx context.Context, receipt string, d time.Duration) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: &receipt, VisibilityTimeout: seconds(d),
	})
	return q.translate(caller, "ChangeMessageVisibility", err)
}

// LongestInvisible implements job.Queue: SQS's limit, counted from the delivery.
func (q *Queue) LongestInvisible() time.Duration { return maxVisibility }

// Delete implements job.Queue: DeleteMessage.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &receipt})
	err = q.translate(caller, "DeleteMessage", err)
	if job.KindOf(err) == job.NotFound {
		return nil
	}
	return err
}

// Ready asks for the queue's ARN: one GetQueueAttributes.
func (q *Queue) Ready(ctx context.Context) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	_, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	return q.translate(caller, "GetQueueAttributes", err)
}

// seconds rounds d up to whole seconds, within SQS's limits.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxVisibility)
	return int32((d + time.Second - 1) / time.Second)
}
