package proof

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

// queuePrefix begins the names of the proof's own queues.
const queuePrefix = "claimcheck-proof-"

const messageGroup = "message group"

// queueProbes run in this order.
var queueProbes = []probe[*queue]{
	{Promise{"message with attributes", "traces break between server and worker", otherQueue}, attributes},
	{Promise{messageGroup, "every submit fails, or an owner with many jobs holds up the others", noGroups}, group},
	{Promise{"visibility ends, and is counted", "the job of a worker that died is never done, or is tried without end", otherQueue}, visibility},
	{Promise{"visibility is extended", "a long job is done twice at once", otherQueue}, extension},
	{Promise{"visibility of zero", "a worker that stops keeps its jobs from the others", otherQueue}, handBack},
	{Promise{"delete", "every job is done again and again", otherQueue}, deletion},
	{Promise{"delay", "what is to be sent later is sent at once", otherQueue}, delay},
}

// queue is the queue of one probe.
type queue struct {
	client *sqs.Client
	url    *string
}

// Queue checks the server behind client for the promises that messages depend on, each
// with its own queue, and message groups only where messages have them. It fails when it
// cannot check; a broken promise is a result.
func Queue(ctx context.Context, client *sqs.Client, groups bool) ([]Result, error) {
	prefix := queuePrefix + strings.ToLower(rand.Text())
	probes := slices.DeleteFunc(slices.Clone(queueProbes), func(p probe[*queue]) bool { return p.Name == messageGroup && !groups })
	results := make([]Result, len(probes))
	all, ctx := errgroup.WithContext(ctx)
	for i, p := range probes {
		all.Go(func() error {
			name := fmt.Sprint(prefix, "-", i)
			made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
			if err != nil {
				return fmt.Errorf("create the queue %s: %w", name, err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
				defer cancel()
				_, _ = client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: made.QueueUrl})
			}()
			results[i], err = p.result(ctx, &queue{client, made.QueueUrl})
			return err
		})
	}
	return results, all.Wait()
}

func (q *queue) send(ctx context.Context, body string, tune func(*sqs.SendMessageInput)) error {
	in := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}
	if tune != nil {
		tune(in)
	}
	_, err := q.client.SendMessage(ctx, in)
	if err != nil {
		return fmt.Errorf("SendMessage gets %w", answer(err))
	}
	return nil
}

// receive returns the next message and hides it for visibility, or nil when none arrives
// within wait. Both are whole seconds.
func (q *queue) receive(ctx context.Context, visibility, wait int32) (*types.Message, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: 1, VisibilityTimeout: visibility, WaitTimeSeconds: wait, MessageAttributeNames: []string{"traceparent"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameMessageGroupId,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("ReceiveMessage gets %w", answer(err))
	}
	if len(out.Messages) == 0 {
		return nil, nil
	}
	return &out.Messages[0], nil
}

// expect receives the message with this body, or reports that it does not arrive.
func (q *queue) expect(ctx context.Context, body string, visibility, wait int32) (*types.Message, error) {
	m, err := q.receive(ctx, visibility, wait)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, fmt.Errorf("a message does not come within %d s", wait)
	case aws.ToString(m.Body) != body:
		return nil, fmt.Errorf("a message comes that should not: %.40q", aws.ToString(m.Body))
	}
	return m, nil
}

func (q *queue) delete(ctx context.Context, m *types.Message) error {
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		return fmt.Errorf("DeleteMessage gets %w", answer(err))
	}
	return nil
}

func (q *queue) hide(ctx context.Context, m *types.Message, seconds int32) error {
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	if err != nil {
		return fmt.Errorf("ChangeMessageVisibility gets %w", answer(err))
	}
	return nil
}

// patience is the time that a visible message may take to arrive, in seconds.
const patience = 10

func attributes(ctx context.Context, q *queue) error {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	err := q.send(ctx, "attributes", func(in *sqs.SendMessageInput) {
		in.MessageAttributes = map[string]types.MessageAttributeValue{"traceparent": {DataType: aws.String("String"), StringValue: aws.String(trace)}}
	})
	if err != nil {
		return err
	}
	m, err := q.expect(ctx, "attributes", 30, patience)
	if err != nil {
		return err
	}
	if got := aws.ToString(m.MessageAttributes["traceparent"].StringValue); got != trace {
		return fmt.Errorf("the attribute traceparent comes back as %.80q", got)
	}
	if _, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err != nil {
		return errors.New("the message has no SentTimestamp")
	}
	return q.delete(ctx, m)
}

func group(ctx context.Context, q *queue) error {
	if err := q.send(ctx, "group", func(in *sqs.SendMessageInput) { in.MessageGroupId = aws.String("owner") }); err != nil {
		return err
	}
	m, err := q.expect(ctx, "group", 30, patience)
	if err != nil {
		return err
	}
	if got := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]; got != "owner" {
		return errors.Join(errors.New("MessageGroupId is dropped: the queue is not a fair one"), q.delete(ctx, m))
	}
	return q.delete(ctx, m)
}

func visibility(ctx context.Context, q *queue) error {
	if err := q.send(ctx, "visibility", nil); err != nil {
		return err
	}
	start := time.Now()
	first, err := q.expect(ctx, "visibility", 2, patience)
	if err != nil {
		return err
	}
	again, err := q.receive(ctx, 30, 0)
	if err != nil {
		return err
	}
	if again != nil && time.Since(start) < 2*time.Second {
		return errors.New("a received message comes again before its visibility of 2 s is over")
	}
	if again == nil {
		if again, err = q.expect(ctx, "visibility", 30, patience); err != nil {
			return fmt.Errorf("after a visibility of 2 s: %w", err)
		}
	}
	const count = string(types.MessageSystemAttributeNameApproximateReceiveCount)
	if first.Attributes[count] != "1" || again.Attributes[count] != "2" {
		return fmt.Errorf("ApproximateReceiveCount is %q, then %q; want 1, then 2", first.Attributes[count], again.Attributes[count])
	}
	return q.delete(ctx, again)
}

func extension(ctx context.Context, q *queue) error {
	if err := q.send(ctx, "extension", nil); err != nil {
		return err
	}
	const first, longer = 2, 60
	m, err := q.expect(ctx, "extension", first, patience)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := q.hide(ctx, m, longer); err != nil {
		return err
	}
	// A long poll beyond the end of the first visibility timeout.
	early, err := q.receive(ctx, longer, first+1)
	if err != nil {
		return err
	}
	if early != nil && time.Since(start) < longer*time.Second {
		return errors.New("a message comes again although its visibility was extended")
	}
	return q.delete(ctx, m)
}

func handBack(ctx context.Context, q *queue) error {
	if err := q.send(ctx, "hand back", nil); err != nil {
		return err
	}
	m, err := q.expect(ctx, "hand back", 600, patience)
	if err != nil {
		return err
	}
	if err := q.hide(ctx, m, 0); err != nil {
		return err
	}
	m, err = q.expect(ctx, "hand back", 30, patience)
	if err != nil {
		return fmt.Errorf("after a visibility of 0: %w", err)
	}
	return q.delete(ctx, m)
}

func deletion(ctx context.Context, q *queue) error {
	if err := q.send(ctx, "delete", nil); err != nil {
		return err
	}
	m, err := q.expect(ctx, "delete", 1, patience)
	if err != nil {
		return err
	}
	if err := q.delete(ctx, m); err != nil {
		return err
	}
	// A long poll beyond the end of its visibility timeout.
	if again, err := q.receive(ctx, 30, 2); err != nil || again != nil {
		return errors.Join(errors.New("a deleted message comes again"), err)
	}
	return nil
}

func delay(ctx context.Context, q *queue) error {
	start := time.Now()
	if err := q.send(ctx, "delay", func(in *sqs.SendMessageInput) { in.DelaySeconds = 2 }); err != nil {
		return err
	}
	m, err := q.receive(ctx, 30, 0)
	if err != nil {
		return err
	}
	if m != nil && time.Since(start) < 2*time.Second {
		return errors.New("a message with a delay of 2 s comes at once")
	}
	if m == nil {
		if m, err = q.expect(ctx, "delay", 30, patience); err != nil {
			return err
		}
	}
	return q.delete(ctx, m)
}
