package s3store

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awsclient"
)

// ClientOptions sets a client up for this package: s3.NewFromConfig(cfg, ClientOptions).
//
//   - Up to four tries of a call, at most 2 s apart, also of those refused with 409
//     because somebody else was writing at that moment.
//   - Timeouts where the SDK has none: 2 s to connect, 10 s for the header of an
//     answer, counted from the end of the request's body.
//   - Checksums both ways, also where the config was made by hand.
//   - Path-style addresses with a custom endpoint, which has no names for buckets.
//
// An HTTP client of the config's own, other than the SDK's, stays as it is.
func ClientOptions(o *s3.Options) {
	o.Retryer = awsclient.Retryer("ConditionalRequestConflict", "OperationAborted",
		"ExistingObjectIsDirectory") // versitygw, while the folder's last object is deleted
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
	o.HTTPClient = awsclient.HTTP(o.HTTPClient, func(t *http.Transport) { t.ResponseHeaderTimeout = 10 * time.Second })
}
