package s3store

import (
	"context"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"claimcheck.example/internal/job"
)

// countRequests counts each attempt of a call for the job whose meter is in the context, by
// S3's price classes: deletes are free, reads are cheap.
func countRequests(stack *middleware.Stack) error {
	if _, signs := stack.Finalize.Get("Signing"); !signs { // a presigned URL, whose request another makes
		return nil
	}
	count := middleware.FinalizeMiddlewareFunc("claimcheck:CountRequests",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			var r job.Requests
			switch name := awsmiddleware.GetOperationName(ctx); {
			case strings.HasPrefix(name, "Get"), strings.HasPrefix(name, "Head"):
				r.StoreReads = 1
			case name != "DeleteObject" && name != "AbortMultipartUpload":
				r.StoreWrites = 1
			}
			job.MeterOf(ctx).Add(r)
			return next.HandleFinalize(ctx, in)
		})
	return stack.Finalize.Insert(count, "Signing", middleware.Before)
}

// CommitRequests implements job.CommitCounter.
func (u *upload) CommitRequests() int {
	switch {
	case u.id == "":
		return 1
	case u.buf == nil: // the last part is sent already
		return 1
	}
	return 2
}

var _ job.CommitCounter = (*upload)(nil)
