package sqsserver_test

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"claimcheck.example/internal/awslocal/sqsserver"
)

const (
	region    = "eu-central-1"
	accessKey = "key"
	secretKey = "secret"
)

// bench is a server with a client and a clock that tests can advance.
type bench struct {
	*sqs.Client
	t      *testing.T
	server *sqsserver.Server
	url    string // of the endpoint
	ahead  atomic.Int64
}

func newBench(t *testing.T) *bench {
	return newBenchAt(t, filepath.Join(t.TempDir(), "queues.bolt"))
}

// newBenchAt opens the database at path, until the test ends.
func newBenchAt(t *testing.T, path string) *bench {
	t.Helper()
	b := &bench{t: t}
	server, err := sqsserver.New(sqsserver.Options{
		Path: path, NoSync: true, Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(func() {
		server.Drain()
		front.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	b.server, b.url = server, front.URL
	b.Client = newClient(front.URL, region, accessKey, secretKey)
	return b
}

func newClient(url, region, access, secret string) *sqs.Client {
	return sqs.New(sqs.Options{
		Region:           region,
		BaseEndpoint:     aws.String(url),
		Credentials:      credentials.NewStaticCredentialsProvider(access, secret, ""),
		RetryMaxAttempts: 1,
	})
}

// pass advances the server's clock.
func (b *bench) pass(d time.Duration) { b.ahead.Add(int64(d)) }

// queue creates a queue and returns its URL.
func (b *bench) queue(name string, attributes map[string]string) *string {
	b.t.Helper()
	out, err := b.CreateQueue(b.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.QueueUrl
}

func (b *bench) send(queue *string, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if _, err := b.SendMessage(b.t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// receive returns at most ten messages with all their attributes.
func (b *bench) receive(queue *string, edit ...func(*sqs.ReceiveMessageInput)) []types.Message {
	b.t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: queue, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	}
	for _, f := range edit {
		f(in)
	}
	out, err := b.ReceiveMessage(b.t.Context(), in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out.Messages
}

func (b *bench) attributes(queue *string) map[string]string {
	b.t.Helper()
	out, err := b.GetQueueAttributes(b.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.Attributes
}

// wantCounts compares the counts of visible, in-flight and delayed messages.
func (b *bench) wantCounts(queue *string, want ...string) {
	b.t.Helper()
	a := b.attributes(queue)
	got := []string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
	if !slices.Equal(got, want) {
		b.t.Errorf("visible, in flight, delayed = %v; want %v", got, want)
	}
}

func bodies(messages []types.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return all
}

func wantBodies(t *testing.T, messages []types.Message, want ...string) {
	t.Helper()
	if got := bodies(messages); !slices.Equal(got, want) {
		t.Fatalf("received %q; want %q", got, want)
	}
}

// wantCode fails the test unless err is an API error with that code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code {
		t.Errorf("error = %v; want code %s", err, code)
	}
}
