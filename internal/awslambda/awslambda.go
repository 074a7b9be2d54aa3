// Package awslambda carries AWS Lambda's events to the service: requests of a Function
// URL to the API's handler, batches of the queue to a worker.
//
// The shape of an event decides, not a setting: there is none that could contradict what
// the function is connected to, and one function may be both.
package awslambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"claimcheck.example/internal/job"
)

// Function is what answers events.
type Function struct {
	// API answers requests. It must not panic but by http.ErrAbortHandler.
	API http.Handler
	// Flush sends what the API has told about itself. It is called after each answer is
	// out, so that no client waits for it, and before Lambda can freeze the process.
	Flush func()
	// Carry carries out deliveries and returns those that are to be delivered again. An
	// error says that it could not even begin.
	Carry func(context.Context, []job.Delivery) (again []job.Delivery, err error)
	// Delivery reads a message of the queue.
	Delivery func(events.SQSMessage) job.Delivery
}

// Event is one of the two that are known.
type Event struct {
	events.LambdaFunctionURLRequest                     // of a Function URL with response streaming
	Records                         []events.SQSMessage // of an event source mapping that reports batch item failures
}

// Handle answers one event. Its result is a streaming answer for a request, and for a
// batch the messages that failed, so that the others are deleted.
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
