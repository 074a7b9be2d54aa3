package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"claimcheck.example/internal/job"
)

// Sentences for clients. The log has the cause, for the operator.
const (
	sayUnavailable   = "storage does not answer now; try again shortly"
	sayMisconfigured = "storage is misconfigured; the operator must fix it"
	sayConflict      = "another request changed it first; read it again"
	sayNotFound      = "there is no such object in storage"
	sayRange         = "the range is outside the object"
	sayCanceled      = "the request was canceled"
	sayTooLarge      = "the object exceeds the maximum size of storage"
)

// translate turns an error of the SDK into a job.Error, whose cause names the operation and
// says what the operator can do. It returns nil and errors of the domain unchanged. No other
// function knows S3's error codes.
//
// A canceled request is Canceled. A timeout is Unavailable, because storage took the time.
func (s *Store) translate(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*job.Error](err); ok {
		return err
	}
	cause := func(hint string) error {
		if hint == "" {
			return fmt.Errorf("s3 %s: %w", operation, err)
		}
		return fmt.Errorf("s3 %s: %w", operation, job.Hint(err, "%s", hint))
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return job.Wrap(job.Canceled, cause(""), sayCanceled)
	}
	code, status := codeOf(err)
	switch code {
	case "NoSuchKey", "NotFound":
		return job.Wrap(job.NotFound, cause(""), sayNotFound)
	case "NoSuchBucket":
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf("bucket %q does not exist; create it or correct S3_BUCKET", s.bucket)), sayMisconfigured)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken":
		return job.Wrap(job.Misconfigured, cause("the AWS credentials are wrong or expired"), sayMisconfigured)
	case "RequestTimeTooSkewed":
		return job.Wrap(job.Misconfigured, cause("this machine's clock is wrong"), sayMisconfigured)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf("bucket %q is in another region; correct AWS_REGION", s.bucket)), sayMisconfigured)
	case "EntityTooLarge":
		return job.Wrap(job.TooLarge, cause(""), sayTooLarge)
	case "SlowDown", "RequestTimeout", "NoSuchUpload":
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	}
	switch {
	case status == http.StatusNotFound:
		return job.Wrap(job.NotFound, cause(""), sayNotFound)
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return job.Wrap(job.Conflict, cause(""), sayConflict)
	case status == http.StatusRequestedRangeNotSatisfiable:
		return job.Wrap(job.Invalid, cause(""), sayRange)
	case status == http.StatusMovedPermanently:
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf("bucket %q is in another region; correct AWS_REGION", s.bucket)), sayMisconfigured)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return job.Wrap(job.Misconfigured, cause(fmt.Sprintf(
			"access to bucket %q is denied; grant s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload on its objects and s3:ListBucket on it", s.bucket)), sayMisconfigured)
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == 0:
		// Zero means no answer: because of the network, a timeout, the retry quota, or
		// missing credentials.
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	}
	return cause("")
}

// translateBucket is translate for HeadBucket, whose answers have no body and therefore no
// error code.
func (s *Store) translateBucket(ctx context.Context, err error) error {
	hint := ""
	switch _, status := codeOf(err); status {
	case http.StatusNotFound:
		hint = "bucket %q does not exist; create it or correct S3_BUCKET"
	case http.StatusForbidden:
		hint = "access to bucket %q is denied; grant s3:ListBucket on it and what docs/iam says on its objects, or correct the AWS credentials"
	case http.StatusBadRequest:
		hint = "the request for bucket %q is refused; AWS_REGION is not the region of the bucket, or the AWS credentials are wrong or expired"
	default:
		return s.translate(ctx, "HeadBucket", err)
	}
	return job.Wrap(job.Misconfigured, fmt.Errorf("s3 HeadBucket: %w", job.Hint(err, hint, s.bucket)), sayMisconfigured)
}

// codeOf returns the API's error code and HTTP status, or "" and 0 without an answer.
func codeOf(err error) (code string, status int) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	return code, status
}

// undecided reports whether a write that ended with err may have taken effect. A refusal may
// be the answer to the SDK's retry of a write that succeeded, and without an answer nothing
// is known.
func undecided(err error) bool {
	switch job.KindOf(err) {
	case job.Conflict, job.Unavailable, job.NotFound:
		return true
	}
	return false
}
