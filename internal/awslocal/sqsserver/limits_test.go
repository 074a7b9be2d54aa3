package sqsserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const mebibyte = 1 << 20

func TestSendLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	small := b.queue("small", map[string]string{"MaximumMessageSize": "1024"})
	attributes := func(name, kind, value string) func(*sqs.SendMessageInput) {
		return func(in *sqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}}
		}
	}
	body := func(s string) func(*sqs.SendMessageInput) {
		return func(in *sqs.SendMessageInput) { in.MessageBody = &s }
	}
	tests := []struct {
		name string
		edit func(*sqs.SendMessageInput)
		code string
	}{
		{"1 MiB", body(strings.Repeat("a", mebibyte)), ""},
		{"over 1 MiB", body(strings.Repeat("a", mebibyte+1)), "InvalidParameterValue"},
		{"over 1 MiB with attributes", func(in *sqs.SendMessageInput) {
			body(strings.Repeat("a", mebibyte-8))(in)
			attributes("a", "String", "xy")(in)
		}, "InvalidParameterValue"},
		{"over the queue's maximum", func(in *sqs.SendMessageInput) {
			in.QueueUrl = small
			body(strings.Repeat("a", 1025))(in)
		}, "InvalidParameterValue"},
		{"empty body", body(""), "MissingParameter"},
		{"control character", body("a\x00"), "InvalidMessageContents"},
		{"noncharacter", body("\uFFFE"), "InvalidMessageContents"},
		{"delay of 901 s", func(in *sqs.SendMessageInput) { in.DelaySeconds = 901 }, "InvalidParameterValue"},
		{"deduplication", func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = aws.String("x") }, "InvalidParameterValue"},
		{"group of 129", func(in *sqs.SendMessageInput) { in.MessageGroupId = aws.String(strings.Repeat("g", 129)) }, "InvalidParameterValue"},
		{"group with a space", func(in *sqs.SendMessageInput) { in.MessageGroupId = aws.String("a b") }, "InvalidParameterValue"},
		{"attribute name", attributes("AWS.x", "String", "v"), "InvalidParameterValue"},
		{"attribute name with dots", attributes("a..b", "String", "v"), "InvalidParameterValue"},
		{"attribute type", attributes("a", "Text", "v"), "InvalidParameterValue"},
		{"attribute empty", attributes("a", "String", ""), "InvalidParameterValue"},
		{"attribute no number", attributes("a", "Number", "v"), "InvalidParameterValue"},
		{"eleven attributes", func(in *sqs.SendMessageInput) {
			in.MessageAttributes = make(map[string]types.MessageAttributeValue)
			for i := range 11 {
				in.MessageAttributes[fmt.Sprint(i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("v")}
			}
		}, "InvalidParameterValue"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("m")}
			test.edit(in)
			_, err := b.SendMessage(t.Context(), in)
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, test.code)
		})
	}
}

func TestReceiveLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	for name, edit := range map[string]func(*sqs.ReceiveMessageInput){
		"eleven messages": func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 11 },
		"21 s":            func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = 21 },
		"over 12 h":       func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 43201 },
	} {
		in := &sqs.ReceiveMessageInput{QueueUrl: queue}
		edit(in)
		if _, err := b.ReceiveMessage(t.Context(), in); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantCode(t, err, "InvalidParameterValue")
		}
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	many := make([]types.SendMessageBatchRequestEntry, 11)
	for i := range many {
		many[i] = entry(fmt.Sprint(i), "m")
	}
	half := strings.Repeat("a", mebibyte/2+1)
	tests := []struct {
		name    string
		entries []types.SendMessageBatchRequestEntry
		code    string
	}{
		{"empty", []types.SendMessageBatchRequestEntry{}, "AWS.SimpleQueueService.EmptyBatchRequest"},
		{"eleven", many, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		{"same id", []types.SendMessageBatchRequestEntry{entry("a", "m"), entry("a", "m")}, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		{"bad id", []types.SendMessageBatchRequestEntry{entry("a b", "m")}, "AWS.SimpleQueueService.InvalidBatchEntryId"},
		{"too long together", []types.SendMessageBatchRequestEntry{entry("a", half), entry("b", half)}, "AWS.SimpleQueueService.BatchRequestTooLong"},
	}
	for _, test := range tests {
		_, err := b.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: test.entries})
		wantCode(t, err, test.code)
	}
	b.wantCounts(queue, "0", "0", "0")

	sent, err := b.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: queue, Entries: []types.SendMessageBatchRequestEntry{entry("a", "1"), entry("bad", "\x00"), entry("c", "2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "bad" || !sent.Failed[0].SenderFault {
		t.Errorf("sent %v, failed %v; want bad to fail alone", sent.Successful, sent.Failed)
	}

	got := b.receive(queue)
	wantBodies(t, got, "1", "2")
	changed, err := b.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: queue, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("1"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
			{Id: aws.String("2"), ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 0},
		},
	})
	if err != nil || len(changed.Successful) != 1 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("changed %v, %v; want one success, one ReceiptHandleIsInvalid", changed, err)
	}
	b.wantCounts(queue, "1", "1", "0")
	deleted, err := b.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: queue, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("1"), ReceiptHandle: got[0].ReceiptHandle},
			{Id: aws.String("2"), ReceiptHandle: got[1].ReceiptHandle},
			{Id: aws.String("3"), ReceiptHandle: aws.String("garbage")},
		},
	})
	if err != nil || len(deleted.Successful) != 2 || len(deleted.Failed) != 1 {
		t.Errorf("deleted %v, %v; want two successes, one failure", deleted, err)
	}
	b.wantCounts(queue, "0", "0", "0")
}
