// Command lambda is the service on AWS Lambda: the API behind a Function URL with
// response streaming, or the worker behind the queue's event source mapping. The kind of
// event decides which.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/awslambda"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/sqsqueue"
)

func main() {
	api, batches := app.NewFunction(os.Environ, os.Exit), app.NewBatches(os.Environ, os.Exit)
	f := &awslambda.Function{API: api, Flush: api.Flush, Carry: batches.Carry, Delivery: delivery}
	lambda.StartHandlerFunc(func(ctx context.Context, e *awslambda.Event) (any, error) { return f.Handle(ctx, e) })
}

func delivery(m events.SQSMessage) job.Delivery {
	attributes := make(map[string]string, len(m.MessageAttributes))
	for name, value := range m.MessageAttributes {
		if value.StringValue != nil {
			attributes[name] = *value.StringValue
		}
	}
	return sqsqueue.Delivery(sqsqueue.Received{Body: m.Body, Receipt: m.ReceiptHandle, System: m.Attributes, Attributes: attributes})
}
