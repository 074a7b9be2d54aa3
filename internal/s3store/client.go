package s3store

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"claimcheck.example/internal/awsclient"
)

// ClientOptions sets a client up for this package: s3.NewFromConfig(cfg, ClientOptions).
//
//   - Up to four tries of a call, at most 2 s apart, also of those refused with 409
//     because of a concurrent write.
//   - Timeouts where the SDK has none: 2 s to connect, 10 s for the header of an answer,
//     counted from the end of the request's body.
//   - Checksums both ways, unless the config says when_required.
//   - Path-style addresses with a custom endpoint, which has no names for buckets.
//   - Accept-Encoding outside of the signature: gateways rewrite it.
//
// An HTTP client of the config's own, other than the SDK's, stays as it is.
func ClientOptions(o *s3.Options) {
	o.Retryer = awsclient.Retryer("ConditionalRequestConflict", "OperationAborted",
		"ExistingObjectIsDirectory") // versitygw, while the folder's last object is deleted
	if o.RequestChecksumCalculation == aws.RequestChecksumCalculationUnset {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	}
	if o.ResponseChecksumValidation == aws.ResponseChecksumValidationUnset {
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	}
	o.APIOptions = append(o.APIOptions, leaveAcceptEncodingUnsigned, countRequests)
	o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
	o.HTTPClient = awsclient.HTTP(o.HTTPClient, func(t *http.Transport) { t.ResponseHeaderTimeout = 10 * time.Second })
}

// leaveAcceptEncodingUnsigned takes the header out of the request while it is signed.
// Google Cloud Storage rewrites it on the way, and refuses the signature over it.
func leaveAcceptEncodingUnsigned(stack *middleware.Stack) error {
	const header = "Accept-Encoding"
	type saved struct{}
	take := middleware.FinalizeMiddlewareFunc("claimcheck:TakeAcceptEncoding",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			r, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("unexpected request %T", in.Request)
			}
			ctx = middleware.WithStackValue(ctx, saved{}, r.Header.Get(header))
			r.Header.Del(header)
			return next.HandleFinalize(ctx, in)
		})
	put := middleware.FinalizeMiddlewareFunc("claimcheck:PutAcceptEncoding",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if value, _ := middleware.GetStackValue(ctx, saved{}).(string); value != "" {
				in.Request.(*smithyhttp.Request).Header.Set(header, value)
			}
			return next.HandleFinalize(ctx, in)
		})
	if _, signs := stack.Finalize.Get("Signing"); !signs { // a presigned URL
		return nil
	}
	if err := stack.Finalize.Insert(take, "Signing", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(put, "Signing", middleware.After)
}
