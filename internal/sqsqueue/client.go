package sqsqueue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aws/smithy-go/middleware"

	"claimcheck.example/internal/awsclient"
	"claimcheck.example/internal/job"
)

// ClientOptions configures a client for this package: sqs.NewFromConfig(cfg,
// ClientOptions).
//
//   - Up to four tries of a call, at most 2 s apart.
//   - 2 s to connect. Each call bounds its answer separately, since a long poll takes 20
//     s by design.
//
// A custom HTTP client in the config stays as it is.
func ClientOptions(o *sqs.Options) {
	o.Retryer = awsclient.Retryer(o.Retryer)
	o.HTTPClient = awsclient.HTTP(o.HTTPClient, nil)
	o.APIOptions = append(o.APIOptions, countRequests)
}

// countRequests counts each try of a call for the job whose meter is in the context.
func countRequests(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("claimcheck:CountRequests",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			job.MeterOf(ctx).Add(job.Requests{Queue: 1})
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.Before)
}

// longPoll configures a receive without repetition: the caller polls again anyway, and
// should see the error of the first try. Repeating a receive whose answer was lost would
// hide those messages until their visibility timeout ends, and take more.
func longPoll(o *sqs.Options) { o.RetryMaxAttempts = 1 }
