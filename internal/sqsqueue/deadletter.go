package sqsqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/job"
)

// DeadLetters returns the dead-letter queue in this queue's redrive policy, with the same
// options: one GetQueueAttributes, one GetQueueUrl. Misconfigured when there is none.
func (q *Queue) DeadLetters(ctx context.Context) (*Queue, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, q.opts.CallTimeout)
	defer cancel()
	const policy = types.QueueAttributeNameRedrivePolicy
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{policy}})
	if err != nil {
		return nil, q.translate(caller, "GetQueueAttributes", err)
	}
	var to struct {
		ARN string `json:"deadLetterTargetArn"`
	}
	text := out.Attributes[string(policy)]
	if text == "" {
		return nil, job.Errorf(job.Misconfigured, "queue %s has no dead-letter queue", q.url)
	}
	err = json.Unmarshal([]byte(text), &to)
	parts := strings.Split(to.ARN, ":") // arn:aws:sqs:region:account:name
	if err != nil || len(parts) != 6 {
		return nil, job.Wrap(job.Misconfigured, err, fmt.Sprintf("the redrive policy of queue %s is not readable", q.url))
	}
	in := &sqs.GetQueueUrlInput{QueueName: &parts[5]}
	if parts[4] != "" {
		in.QueueOwnerAWSAccountId = &parts[4]
	}
	found, err := q.client.GetQueueUrl(ctx, in)
	if err != nil {
		return nil, q.translate(caller, "GetQueueUrl", err)
	}
	return New(q.client, aws.ToString(found.QueueUrl), q.opts), nil
}
