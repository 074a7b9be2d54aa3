package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"claimcheck.example/internal/job"
)

// Sentences for clients; the cause goes to the operator's log.
const (
	sayUnavailable   = "the queue does not answer now; try again shortly"
	sayMisconfigured = "the queue is misconfigured; the operator must fix it"
	sayReceipt       = "the receipt is no longer valid"
	sayCanceled      = "the request was canceled"
)

// translate converts an error of the SDK to one of the domain, whose cause names the
// operation and says what the operator can do. Only this function knows SQS's error
// codes.
//
// A canceled request is Canceled; one that ran out of time is Unavailable, since the
// queue took the time.
func (q *Queue) translate(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	cause := func(hint string) error {
		if hint == "" {
			return fmt.Errorf("sqs %s: %w", operation, err)
		}
		return fmt.Errorf("sqs %s: %w", operation, job.Hint(err, "%s", hint))
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return job.Wrap(job.Canceled, cause(""), sayCanceled)
	}
	var code string
	var status int
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	switch code {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "InvalidAddress":
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf("queue %s does not exist; create it or correct SQS_QUEUE_URL", q.url)), sayMisconfigured)
	case "ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight":
		return job.Wrap(job.NotFound, cause(""), sayReceipt)
	case "InvalidParameterValue":
		// SQS's answer for the receipt of a deleted message, and after 12 hours.
		if operation == "ChangeMessageVisibility" || operation == "DeleteMessage" {
			return job.Wrap(job.NotFound, cause(""), sayReceipt)
		}
	case "AccessDenied", "AccessDeniedException", "InvalidSecurity", "KmsAccessDenied", "KMS.AccessDeniedException":
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf(
			"access to queue %s is denied; grant sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes", q.url)), sayMisconfigured)
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "ExpiredToken", "ExpiredTokenException":
		return job.Wrap(job.Misconfigured, cause("the AWS credentials are wrong or expired"), sayMisconfigured)
	case "OverLimit", "RequestThrottled", "ThrottlingException", "KmsThrottled":
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	}
	switch {
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf("access to queue %s is denied", q.url)), sayMisconfigured)
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == 0:
		// Zero: there was no answer, because of the network, a timeout, the retry quota, or
		// missing credentials.
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	}
	return cause("")
}
