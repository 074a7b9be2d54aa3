package sqsqueue_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/sqsqueue"
)

const url = "http://sqs.invalid/0/claims"

// doFunc is an HTTP client.
type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// stubbed returns a queue whose requests all go to do.
func stubbed(do doFunc, opts sqsqueue.Options) *sqsqueue.Queue {
	client := sqs.New(sqs.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		BaseEndpoint: aws.String("http://sqs.invalid"), HTTPClient: do,
	}, sqsqueue.ClientOptions, func(o *sqs.Options) {
		o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, time.Millisecond)
	})
	return sqsqueue.New(client, url, opts)
}

// refuse answers every request with an error of SQS.
func refuse(status int, code string) doFunc {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"__type":"com.amazonaws.sqs#` + code + `","message":"refused"}`)),
		}, nil
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		code   string
		want   job.Kind
		hint   string // the operator must be able to read it
	}{
		{400, "QueueDoesNotExist", job.Misconfigured, "SQS_QUEUE_URL"},
		{403, "AccessDeniedException", job.Misconfigured, "sqs:SendMessage"},
		{400, "KmsAccessDenied", job.Misconfigured, "denied"},
		{403, "InvalidClientTokenId", job.Misconfigured, "credentials"},
		{403, "SomethingForbidden", job.Misconfigured, "denied"},
		{400, "ReceiptHandleIsInvalid", job.NotFound, ""},
		{400, "MessageNotInflight", job.NotFound, ""},
		{400, "InvalidParameterValue", job.NotFound, ""},
		{400, "OverLimit", job.Unavailable, ""},
		{400, "RequestThrottled", job.Unavailable, ""},
		{500, "InternalFailure", job.Unavailable, ""},
		{400, "SomethingNew", job.Unknown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			err := stubbed(refuse(tt.status, tt.code), sqsqueue.Options{}).Extend(t.Context(), "receipt", time.Minute)
			if err == nil || job.KindOf(err) != tt.want {
				t.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), tt.want)
			}
			if !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("the operator reads %q, want a word of %s", err, tt.hint)
			}
			if m := job.MessageOf(err); (m == "") != (tt.want == job.Unknown) || strings.Contains(m, "SQS") {
				t.Errorf("the client gets %q", m)
			}
		})
	}
	if err := stubbed(refuse(400, "InvalidParameterValue"), sqsqueue.Options{}).Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "o|s"}); job.KindOf(err) != job.Unknown {
		t.Errorf("an invalid parameter of a send: got kind %v of %v, want unknown", job.KindOf(err), err)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	mute := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	q := stubbed(mute, sqsqueue.Options{CallTimeout: 20 * time.Millisecond, Wait: time.Millisecond})
	if err := q.Ready(t.Context()); job.KindOf(err) != job.Unavailable {
		t.Errorf("Ready: got %v, want it unavailable", err)
	}
	if _, err := q.Receive(t.Context(), 1, time.Minute); job.KindOf(err) != job.Unavailable {
		t.Errorf("Receive: got %v, want it unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	stop := context.AfterFunc(t.Context(), cancel)
	defer stop()
	if _, err := stubbed(mute, sqsqueue.Options{}).Receive(ctx, 1, time.Minute); err == nil {
		t.Error("Receive outlived its context")
	}
}

// TestTries counts tries: a send is repeated, a long poll is not.
func TestTries(t *testing.T) {
	t.Parallel()
	tries := 0
	q := stubbed(func(r *http.Request) (*http.Response, error) {
		tries++
		return refuse(503, "ServiceUnavailable")(r)
	}, sqsqueue.Options{})
	if err := q.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "o|s"}); job.KindOf(err) != job.Unavailable || tries != 4 {
		t.Errorf("Send: got %v after %d tries, want it unavailable after 4", err, tries)
	}
	tries = 0
	if _, err := q.Receive(t.Context(), 1, time.Minute); job.KindOf(err) != job.Unavailable || tries != 1 {
		t.Errorf("Receive: got %v after %d tries, want it unavailable after one", err, tries)
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	missing := env.QueueURL + "-missing"
	tests := []struct {
		name   string
		client *sqs.Client
		url    string
		hint   string
	}{
		{"no queue", newClient(env), missing, "create it or correct SQS_QUEUE_URL"},
		{"wrong secret", newClient(env, func(o *sqs.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(env.AccessKey, "wrong", "")
		}), env.QueueURL, "credentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := sqsqueue.New(tt.client, tt.url, sqsqueue.Options{}).Ready(t.Context())
			if job.KindOf(err) != job.Misconfigured || !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("got %v of kind %v, want it misconfigured with the hint %q", err, job.KindOf(err), tt.hint)
			}
		})
	}
}

// TestGroup checks the body and the group of the message.
func TestGroup(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	client := newClient(env)
	m := job.Message{JobID: job.NewID(), Owner: "https://issuer.example/|alice"}
	for _, tt := range []struct {
		opts sqsqueue.Options
		want string
	}{
		{sqsqueue.Options{}, m.Owner},
		{sqsqueue.Options{NoGroups: true}, ""},
	} {
		if err := sqsqueue.New(client, env.QueueURL, tt.opts).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &env.QueueURL, WaitTimeSeconds: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("got %v, %v; want one message", out, err)
		}
		if got := out.Messages[0].Attributes["MessageGroupId"]; got != tt.want {
			t.Errorf("got group %q, want %q", got, tt.want)
		}
		if got, want := aws.ToString(out.Messages[0].Body), `{"job_id":"`+string(m.JobID)+`"}`; got != want {
			t.Errorf("got body %s, want %s", got, want)
		}
	}
}
