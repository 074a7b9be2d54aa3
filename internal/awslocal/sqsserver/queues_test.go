package sqsserver_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/sqsserver"
)

func TestCreateQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.queue("jobs", map[string]string{"VisibilityTimeout": "45"})
	if want := b.url + "/000000000000/jobs"; *first != want {
		t.Errorf("URL = %s; want %s", *first, want)
	}

	// The same attributes, or none, name the same queue; others conflict.
	for _, same := range []map[string]string{nil, {"VisibilityTimeout": "45"}, {"DelaySeconds": "0"}} {
		if again := b.queue("jobs", same); *again != *first {
			t.Errorf("URL with %v = %s; want %s", same, *again, *first)
		}
	}
	_, err := b.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("jobs"), Attributes: map[string]string{"VisibilityTimeout": "46"},
	})
	if _, ok := errors.AsType[*types.QueueNameExists](err); !ok {
		t.Errorf("other attributes: %v; want QueueNameExists", err)
	}
}

func TestCreateQueueRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tests := []struct {
		name, queue string
		attributes  map[string]string
		code        string
	}{
		{"FIFO name", "jobs.fifo", nil, "AWS.SimpleQueueService.UnsupportedOperation"},
		{"FIFO attribute", "jobs", map[string]string{"FifoQueue": "true"}, "AWS.SimpleQueueService.UnsupportedOperation"},
		{"no name", "", nil, "MissingParameter"},
		{"bad character", "a b", nil, "InvalidParameterValue"},
		{"long name", strings.Repeat("a", 81), nil, "InvalidParameterValue"},
		{"unknown attribute", "jobs", map[string]string{"Colour": "red"}, "InvalidAttributeName"},
		{"read-only attribute", "jobs", map[string]string{"QueueArn": "x"}, "InvalidAttributeName"},
		{"number out of bounds", "jobs", map[string]string{"VisibilityTimeout": "43201"}, "InvalidAttributeValue"},
		{"no number", "jobs", map[string]string{"DelaySeconds": "soon"}, "InvalidAttributeValue"},
		{"redrive policy no JSON", "jobs", map[string]string{"RedrivePolicy": "{"}, "InvalidParameterValue"},
		{"redrive count", "jobs", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:r:0:dead","maxReceiveCount":0}`}, "InvalidParameterValue"},
		{"no dead-letter queue", "jobs", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:r:0:dead","maxReceiveCount":2}`}, "InvalidParameterValue"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := b.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &test.queue, Attributes: test.attributes})
			wantCode(t, err, test.code)
		})
	}
}

func TestQueueAttributes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", map[string]string{"VisibilityTimeout": "45"})
	_, err := b.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: queue, Attributes: map[string]string{"DelaySeconds": "3", "Policy": `{"Version":"2012-10-17"}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := b.attributes(queue)
	for _, name := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
		if len(got[name]) != 10 {
			t.Errorf("%s = %q; want seconds since the epoch", name, got[name])
		}
		delete(got, name)
	}
	want := map[string]string{
		"QueueArn":                              "arn:aws:sqs:eu-central-1:000000000000:jobs",
		"ApproximateNumberOfMessages":           "0",
		"ApproximateNumberOfMessagesNotVisible": "0",
		"ApproximateNumberOfMessagesDelayed":    "0",
		"VisibilityTimeout":                     "45",
		"DelaySeconds":                          "3",
		"MaximumMessageSize":                    "1048576",
		"MessageRetentionPeriod":                "345600",
		"ReceiveMessageWaitTimeSeconds":         "0",
		"SqsManagedSseEnabled":                  "false",
		"Policy":                                `{"Version":"2012-10-17"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}

	some, err := b.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"DelaySeconds", "RedrivePolicy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"DelaySeconds": "3"}, some.Attributes); diff != "" {
		t.Errorf("asked-for attributes (-want +got):\n%s", diff)
	}
	_, err = b.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"Colour"},
	})
	wantCode(t, err, "InvalidAttributeName")
}

func TestNoSuchQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	gone := b.queue("gone", nil)
	if _, err := b.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: gone}); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	calls := map[string]func() error{
		"GetQueueUrl": func() error {
			_, err := b.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("gone")})
			return err
		},
		"SendMessage": func() error {
			_, err := b.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: gone, MessageBody: aws.String("m")})
			return err
		},
		"ReceiveMessage": func() error {
			_, err := b.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: gone})
			return err
		},
		"DeleteMessage": func() error {
			_, err := b.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: gone, ReceiptHandle: aws.String("h")})
			return err
		},
		"PurgeQueue": func() error {
			_, err := b.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: gone})
			return err
		},
	}
	for name, call := range calls {
		err := call()
		if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
			t.Errorf("%s: %v; want QueueDoesNotExist", name, err)
		}
		wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
	}
}

func TestListQueues(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"b-2", "a-1", "b-1", "b-3"} {
		b.queue(name, nil)
	}
	var got []string
	pages := sqs.NewListQueuesPaginator(b, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("b-"), MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range page.QueueUrls {
			got = append(got, strings.TrimPrefix(url, b.url+"/000000000000/"))
		}
	}
	if diff := cmp.Diff([]string{"b-1", "b-2", "b-3"}, got); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	ctx := t.Context()
	if _, err := b.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: queue, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: queue, TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	out, err := b.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: queue})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": "2"}, out.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestSecondServerIsLockedOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queues.bolt")
	newBenchAt(t, path)
	if _, err := sqsserver.New(sqsserver.Options{Path: path}); !errors.Is(err, sqsserver.ErrLocked) {
		t.Errorf("a second server: %v; want ErrLocked", err)
	}
}
