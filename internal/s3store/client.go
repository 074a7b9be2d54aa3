package s3store

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

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
//   - No Accept-Encoding, which gateways rewrite: the signature would cover it.
//
// A custom HTTP client in the config is left unchanged.
func ClientOptions(o *s3.Options) {
	o.Retryer = awsclient.Retryer(o.Retryer, "ConditionalRequestConflict", "OperationAborted",
		"ExistingObjectIsDirectory") // versitygw, while the folder's last object is deleted
	if o.RequestChecksumCalculation == aws.RequestChecksumCalculationUnset {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	}
	if o.ResponseChecksumValidation == aws.ResponseChecksumValidationUnset {
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	}
	o.APIOptions = append(o.APIOptions, sendNoAcceptEncoding, countRequests)
	o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
	o.HTTPClient = awsclient.HTTP(o.HTTPClient, func(t *http.Transport) {
		t.ResponseHeaderTimeout = 10 * time.Second
		t.DisableCompression = true // or the transport asks for gzip
	})
}

// sendNoAcceptEncoding removes the step that sets the header. Google Cloud Storage rewrites
// the header in transit and then rejects a signature that covers it; without one a service
// does not compress.
func sendNoAcceptEncoding(stack *middleware.Stack) error {
	const step = "DisableAcceptEncodingGzip"
	if _, ok := stack.Finalize.Get(step); !ok { // the call has another header, or is presigned
		return nil
	}
	_, err := stack.Finalize.Remove(step)
	return err
}
