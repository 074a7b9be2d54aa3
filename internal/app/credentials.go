package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/logging"
)

// found are the credentials of the SDK's own chain, which says what to do when there are
// none.
type found struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (f found) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := f.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &noCredentials{err}
	}
	return c, nil
}

// noCredentials does not unwrap: who asked for the credentials calls S3 or SQS, and would
// take the code and status of another service's answer for that one's own.
type noCredentials struct{ cause error }

func (e *noCredentials) Error() string { return e.Hint() + ": " + e.cause.Error() }

// Hint says what the operator can do about it.
func (e *noCredentials) Hint() string {
	return "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or on Google Cloud AWS_ROLE_ARN, or give the host a role"
}

// RetryableError tells the SDK whether the failure may pass.
func (e *noCredentials) RetryableError() bool {
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(e.cause) == aws.TrueTernary
}

// sdkLogger has the SDK's own lines in the log, in its format.
func sdkLogger(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(c logging.Classification, format string, v ...any) {
		level := slog.LevelWarn
		if c == logging.Debug {
			level = slog.LevelDebug
		}
		log.Log(context.Background(), level, "AWS SDK", "says", fmt.Sprintf(format, v...))
	})
}
