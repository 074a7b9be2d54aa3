package sqsserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// TestMessageRoundTrip also relies on the SDK, which compares the digest of each body.
func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	began := time.Now()
	const body = "tab\t, newline\r\n, <&>, ünïcode \U0001F4E6"
	sent, err := b.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: queue, MessageBody: aws.String(body), MessageGroupId: aws.String("issuer|subject"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"traceparent": {DataType: aws.String("String"), StringValue: aws.String("00-ab-cd-01")},
			"n.1":         {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"raw":         {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Computed independently, by the algorithm in the service's developer guide.
	const md5OfAttributes = "f3ea77270a2512f618e3f29a5b552787"
	if got, want := aws.ToString(sent.MD5OfMessageAttributes), md5OfAttributes; got != want {
		t.Errorf("MD5 of attributes = %s; want %s", got, want)
	}

	got := b.receive(queue)
	wantBodies(t, got, body)
	m := got[0]
	if *m.MessageId != *sent.MessageId || *m.MD5OfBody != *sent.MD5OfMessageBody || *m.MD5OfMessageAttributes != md5OfAttributes {
		t.Errorf("received id and digests %s, %s, %s; sent %s, %s", *m.MessageId, *m.MD5OfBody, *m.MD5OfMessageAttributes, *sent.MessageId, *sent.MD5OfMessageBody)
	}
	if string(m.MessageAttributes["raw"].BinaryValue) != "\x00\x01\xff" || *m.MessageAttributes["n.1"].StringValue != "42" {
		t.Errorf("attributes = %v", m.MessageAttributes)
	}
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		var ms int64
		if _, err := fmt.Sscan(m.Attributes[name], &ms); err != nil || ms < began.UnixMilli() || ms > time.Now().UnixMilli() {
			t.Errorf("%s = %q; want milliseconds of now", name, m.Attributes[name])
		}
		delete(m.Attributes, name)
	}
	want := map[string]string{
		"SenderId": "AIDALOCAL", "ApproximateReceiveCount": "1",
		"MessageGroupId": "issuer|subject", "AWSTraceHeader": "Root=1",
	}
	if diff := cmp.Diff(want, m.Attributes); diff != "" {
		t.Errorf("system attributes (-want +got):\n%s", diff)
	}
}

func TestReceiveReturnsTheRequestedAttributes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	_, err := b.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: queue, MessageBody: aws.String("m"),
		MessageAttributes: map[string]types.MessageAttributeValue{"a.x": text("1"), "a.y": text("2"), "b": text("3"), "c": text("4")},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := b.receive(queue, func(in *sqs.ReceiveMessageInput) {
		in.MessageAttributeNames = []string{"a.*", "b"}
		in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"ApproximateReceiveCount"}
		in.VisibilityTimeout = 0
	})[0]
	var names []string
	for name := range m.MessageAttributes {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"a.x", "a.y", "b"}, names); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"ApproximateReceiveCount": "1"}, m.Attributes); diff != "" {
		t.Errorf("system attributes (-want +got):\n%s", diff)
	}
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", map[string]string{"VisibilityTimeout": "30"})
	b.send(queue, "m")
	first := b.receive(queue)
	wantBodies(t, first, "m")
	b.wantCounts(queue, "0", "1", "0")
	wantBodies(t, b.receive(queue))

	b.pass(29 * time.Second)
	wantBodies(t, b.receive(queue))
	change := func(m types.Message, seconds int32) error {
		_, err := b.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
		})
		return err
	}
	if err := change(first[0], 60); err != nil {
		t.Fatal(err)
	}
	b.pass(59 * time.Second)
	wantBodies(t, b.receive(queue))
	b.pass(2 * time.Second)
	if _, ok := errors.AsType[*types.MessageNotInflight](change(first[0], 60)); !ok {
		t.Error("the visibility of a message that is not in flight was changed")
	}
	second := b.receive(queue)
	wantBodies(t, second, "m")
	if got := second[0].Attributes["ApproximateReceiveCount"]; got != "2" {
		t.Errorf("receive count = %s; want 2", got)
	}

	if err := change(second[0], 0); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, b.receive(queue), "m")
}

func TestReceiptHandles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue, other := b.queue("jobs", nil), b.queue("other", nil)
	b.send(queue, "m")
	stale := b.receive(queue, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 1 })[0].ReceiptHandle
	b.pass(2 * time.Second)
	fresh := b.receive(queue)[0].ReceiptHandle
	remove := func(queue, handle *string) error {
		_, err := b.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: handle})
		return err
	}
	change := func(handle *string) error {
		_, err := b.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: handle, VisibilityTimeout: 5})
		return err
	}

	// An outdated handle deletes nothing, without an error.
	if err := remove(queue, stale); err != nil {
		t.Errorf("delete by a stale handle: %v", err)
	}
	b.wantCounts(queue, "0", "1", "0")
	wantCode(t, change(stale), "InvalidParameterValue")
	for _, handle := range []string{"garbage", "bm8", "MToyOg"} {
		wantCode(t, remove(queue, &handle), "ReceiptHandleIsInvalid")
		wantCode(t, change(&handle), "ReceiptHandleIsInvalid")
	}
	wantCode(t, remove(other, fresh), "ReceiptHandleIsInvalid")

	for range 2 { // again does no harm
		if err := remove(queue, fresh); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	b.wantCounts(queue, "0", "0", "0")
	wantCode(t, change(fresh), "InvalidParameterValue")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", map[string]string{"DelaySeconds": "60"})
	b.send(queue, "queue's delay")
	_, err := b.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("own delay"), DelaySeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	b.wantCounts(queue, "0", "0", "2")
	wantBodies(t, b.receive(queue))
	b.pass(6 * time.Second)
	wantBodies(t, b.receive(queue), "own delay")
	b.pass(55 * time.Second)
	wantBodies(t, b.receive(queue), "queue's delay", "own delay")
}

func TestRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", map[string]string{"MessageRetentionPeriod": "60"})
	b.send(queue, "old")
	b.pass(59 * time.Second)
	b.wantCounts(queue, "1", "0", "0")
	b.send(queue, "new")
	b.pass(2 * time.Second)
	b.wantCounts(queue, "1", "0", "0")
	wantBodies(t, b.receive(queue), "new")
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	for _, count := range []string{`2`, `"2"`} {
		b := newBench(t)
		dead := b.queue("dead", nil)
		queue := b.queue("jobs", map[string]string{
			"RedrivePolicy":     `{"deadLetterTargetArn":"` + b.attributes(dead)["QueueArn"] + `","maxReceiveCount":` + count + `}`,
			"VisibilityTimeout": "1",
		})
		b.send(queue, "m")
		for range 2 {
			wantBodies(t, b.receive(queue), "m")
			b.pass(2 * time.Second)
		}
		b.wantCounts(dead, "0", "0", "0")
		wantBodies(t, b.receive(queue))
		b.wantCounts(queue, "0", "0", "0")
		got := b.receive(dead)
		wantBodies(t, got, "m")
		if arn := got[0].Attributes["DeadLetterQueueSourceArn"]; arn != b.attributes(queue)["QueueArn"] {
			t.Errorf("source = %q; want the queue", arn)
		}
		if n := got[0].Attributes["ApproximateReceiveCount"]; n != "3" {
			t.Errorf("receive count = %s; want 3", n)
		}
		sources, err := b.ListDeadLetterSourceQueues(t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead})
		if err != nil || !slices.Equal(sources.QueueUrls, []string{*queue}) {
			t.Errorf("source queues = %v, %v; want %s", sources, err, *queue)
		}
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue, other := b.queue("jobs", nil), b.queue("other", nil)
	b.send(queue, "a", "b")
	b.send(other, "c")
	b.receive(queue, func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 1 })
	if _, err := b.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: queue}); err != nil {
		t.Fatal(err)
	}
	b.wantCounts(queue, "0", "0", "0")
	b.wantCounts(other, "1", "0", "0")
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	wait := func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = 20 }
	tests := map[string]func(queue *string){
		"a send": func(queue *string) { b.send(queue, "m") },
		"a delay's end": func(queue *string) {
			_, err := b.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("m"), DelaySeconds: 1})
			if err != nil {
				t.Error(err)
			}
		},
		"a visibility of zero": func(queue *string) {
			b.send(queue, "m")
			m := b.receive(queue)[0]
			_, err := b.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle})
			if err != nil {
				t.Error(err)
			}
		},
		"a visibility timeout": func(queue *string) {
			b.send(queue, "m")
			b.receive(queue, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 1 })
		},
	}
	for name, act := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := b.queue(strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", ""), nil)
			if name == "a send" { // the poll comes first
				polled := make(chan []types.Message)
				go func() { polled <- b.receive(queue, wait) }()
				act(queue)
				wantBodies(t, <-polled, "m")
				return
			}
			act(queue)
			began := time.Now()
			wantBodies(t, b.receive(queue, wait), "m")
			if took := time.Since(began); took > 18*time.Second {
				t.Errorf("the poll took %v; it was not woken", took)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		queue := b.queue("quiet", nil)
		began := time.Now()
		wantBodies(t, b.receive(queue, func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = 1 }))
		if took := time.Since(began); took < time.Second {
			t.Errorf("an empty poll of 1 s took %v", took)
		}
	})
}

// TestHungUpReceive receives for clients that are known not to get the answer.
func TestHungUpReceive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	b.send(queue, "m")
	form := url.Values{"Action": {"ReceiveMessage"}, "QueueUrl": {*queue}, "VisibilityTimeout": {"3600"}}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b.server.ServeHTTP(httptest.NewRecorder(), signed(t, b.url, form.Encode()).WithContext(gone))
	b.wantCounts(queue, "1", "0", "0")

	b.server.ServeHTTP(brokenConnection{httptest.NewRecorder()}, signed(t, b.url, form.Encode()))
	b.wantCounts(queue, "1", "0", "0")

	// A delivery that did not happen does not count.
	got := b.receive(queue)
	wantBodies(t, got, "m")
	if n := got[0].Attributes["ApproximateReceiveCount"]; n != "1" {
		t.Errorf("receive count = %s; want 1", n)
	}
}

type brokenConnection struct{ http.ResponseWriter }

func (brokenConnection) Write([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestConcurrentReceivers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	queue := b.queue("jobs", nil)
	const messages, receivers = 200, 16
	var entries []types.SendMessageBatchRequestEntry
	for i := range messages {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint(i))})
	}
	for chunk := range slices.Chunk(entries, 10) {
		out, err := b.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: chunk})
		if err != nil || len(out.Successful) != 10 {
			t.Fatal(out, err)
		}
	}
	var (
		mu   sync.Mutex // guards seen
		seen = make(map[string]int)
		wg   sync.WaitGroup
	)
	for range receivers {
		wg.Go(func() {
			for {
				got := b.receive(queue, func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 3 })
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, m := range got {
					seen[*m.Body]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for body, n := range seen {
		if n != 1 {
			t.Errorf("message %s was received %d times", body, n)
		}
	}
	if len(seen) != messages {
		t.Errorf("%d messages were received; want %d", len(seen), messages)
	}
}
