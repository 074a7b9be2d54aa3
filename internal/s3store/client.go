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

// ClientOptions configures a client for this package: s3.NewFromConfig(cfg, ClientOptions).
//
//   - Up to four attempts per call, at most 2 s apart. A 409 because of a concurrent write
//     is retried too.
//   - Timeouts where the SDK has none: 2 s to connect, 10 s for the header of an answer,
//     counted from the end of the request's body.
//   - Checksums both ways, unless the config says when_required.
//   - Path-style addresses with a custom endpoint, which has no names for buckets.
//   - Accept-Encoding outside of the signature: gateways rewrite it.
//
// A custom HTTP client in the config is left unchanged.
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

// leaveAcceptEncodingUnsigned removes the header from the request during signing. Google
// Cloud Storage rewrites it in transit and then rejects a signature that covers it.
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
