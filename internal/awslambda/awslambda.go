// Package awslambda connects AWS Lambda's events with the service: requests of a Function
// URL with the API's handler, batches of the queue with a worker.
//
// The shape of an event decides which, not a setting: so no setting can contradict the
// function's triggers, and one function can serve both.
package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"claimcheck.example/internal/job"
)

// Function handles events.
type Function struct {
	// API answers requests. Its only panic is http.ErrAbortHandler.
	API http.Handler
	// Flush sends the API's telemetry. It is called after the end of each answer, so that no
	// client waits for it, and before Lambda can freeze the process.
	Flush func()
	// Carry handles deliveries and returns those to be delivered again. An error means that
	// it could not begin.
	Carry func(context.Context, []job.Delivery) (again []job.Delivery, err error)
	// Delivery converts a message of the queue.
	Delivery func(events.SQSMessage) job.Delivery
}

// Event is one of the two supported events.
type Event struct {
	events.LambdaFunctionURLRequest                     // of a Function URL with response streaming
	Records                         []events.SQSMessage // of an event source mapping that reports batch item failures
}

// Handle handles one event. Its result is a streaming answer for a request, and for a
// batch the failed messages, so that Lambda deletes the others.
func (f *Function) Handle(ctx context.Context, e *Event) (any, error) {
	switch {
	case len(e.Records) > 0:
		return f.batch(ctx, e.Records)
	case e.RequestContext.HTTP.Method != "":
		return f.request(ctx, &e.LambdaFunctionURLRequest)
	}
	return nil, errors.New("this event is neither a request of a Function URL nor a batch of an SQS queue")
}

func (f *Function) batch(ctx context.Context, records []events.SQSMessage) (any, error) {
	ids := make(map[string]string, len(records)) // of messages by receipt
	deliveries := make([]job.Delivery, 0, len(records))
	for _, r := range records {
		if r.EventSource != "aws:sqs" {
			return nil, fmt.Errorf("records of %.40q are not for this function; it takes those of an SQS queue", r.EventSource)
		}
		ids[r.ReceiptHandle] = r.MessageId
		deliveries = append(deliveries, f.Delivery(r))
	}
	again, err := f.Carry(ctx, deliveries)
	if err != nil {
		return nil, err // the whole batch comes back
	}
	failures := []events.SQSBatchItemFailure{}
	for _, d := range again {
		failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: ids[d.Receipt]})
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}
