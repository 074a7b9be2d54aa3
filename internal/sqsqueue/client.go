package sqsqueue

import (
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awsclient"
)

// ClientOptions sets a client up for this package: sqs.NewFromConfig(cfg, ClientOptions).
//
//   - Up to four tries of a call, at most 2 s apart.
//   - 2 s to connect. How long an answer may take is bounded call by call, since a long
//     poll takes its 20 s by design.
//
// An HTTP client of the config's own, other than the SDK's, stays as it is.
func ClientOptions(o *sqs.Options) {
	o.Retryer = awsclient.Retryer()
	o.HTTPClient = awsclient.HTTP(o.HTTPClient, nil)
}

// longPoll is for a receive: who waits for messages anyway comes back by himself, and
// an error of the first try should be seen. Repeating a receive whose answer was lost
// would hide those messages until their visibility is over, and take more.
func longPoll(o *sqs.Options) { o.RetryMaxAttempts = 1 }
