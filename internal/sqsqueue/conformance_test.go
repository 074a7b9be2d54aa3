package sqsqueue_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/sqsqueue"
)

// newClient returns a client of the environment's SQS with production settings; more is
// applied last.
func newClient(env *awstest.Env, more ...func(*sqs.Options)) *sqs.Client {
	endpoint := func(o *sqs.Options) { o.BaseEndpoint = &env.SQSURL }
	return sqs.NewFromConfig(env.Servers.Config(), append([]func(*sqs.Options){endpoint, sqsqueue.ClientOptions}, more...)...)
}

func openFixture(tb testing.TB) jobtest.QueueFixture {
	env := awstest.Start(tb)
	client := newClient(env)
	return jobtest.QueueFixture{
		Queue: sqsqueue.New(client, env.QueueURL, sqsqueue.Options{Wait: time.Second}),
		PutRaw: func(tb testing.TB, body string) {
			if _, err := client.SendMessage(tb.Context(), &sqs.SendMessageInput{QueueUrl: &env.QueueURL, MessageBody: &body}); err != nil {
				tb.Fatal(err)
			}
		},
	}
}

func TestConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestQueue(t, func(t *testing.T) jobtest.QueueFixture { return openFixture(t) })
}

func BenchmarkQueue(b *testing.B) {
	jobtest.BenchmarkQueue(b, func(b *testing.B) jobtest.QueueFixture { return openFixture(b) })
}
