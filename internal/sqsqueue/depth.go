package sqsqueue

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/job"
)

// Depth counts the messages, as SQS knows them approximately: one GetQueueAttributes. It
// does not count dead letters, since they are in another queue, with rights of its own.
func (q *Queue) Depth(ctx context.Context) (job.Depth, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	const visible, inFlight, delayed = types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{visible, inFlight, delayed},
	})
	if err != nil {
		return job.Depth{}, q.translate(caller, "GetQueueAttributes", err)
	}
	var n [3]int64
	for i, name := range []types.QueueAttributeName{visible, inFlight, delayed} {
		if n[i], err = strconv.ParseInt(out.Attributes[string(name)], 10, 64); err != nil {
			return job.Depth{}, job.Wrap(job.Unavailable, err, "the queue does not count its messages")
		}
	}
	return job.Depth{Visible: n[0], Hidden: n[1] + n[2]}, nil
}
