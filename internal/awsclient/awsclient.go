// Package awsclient is what the clients of S3 and of SQS have in common: when a failed
// call is tried again, and how long connections may take.
package awsclient

import (
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	tries      = 4
	maxBackoff = 2 * time.Second
	// What the wait before the first repetition is drawn from: a lost connection or a
	// 500 is usually over at once, a service that throttles wants to be left alone.
	afterFailure  = 400 * time.Millisecond
	afterThrottle = 2 * time.Second
)

// Retryer makes up to four tries of a call whose failure may pass, also of those that
// fail with one of codes. Never the adaptive mode, which holds everybody back once one
// call was throttled.
func Retryer(codes ...string) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = tries
		o.Backoff = retry.BackoffDelayerFunc(backoff)
		also := map[string]struct{}{}
		for _, c := range codes {
			also[c] = struct{}{}
		}
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: also})
	})
}

// backoff is the wait after a try, counted from 1: exponential, bounded, with full jitter.
func backoff(try int, err error) (time.Duration, error) {
	base := afterFailure
	if retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary {
		base = afterThrottle
	}
	return rand.N(min(base<<(try-1), maxBackoff)), nil
}

// HTTP returns the SDK's HTTP client with 2 s to connect and 64 idle connections, set up
// further by tune unless that is nil. A client of another kind is returned as it is.
func HTTP(given aws.HTTPClient, tune func(*http.Transport)) aws.HTTPClient {
	client, ok := given.(*awshttp.BuildableClient)
	switch {
	case given == nil:
		client = awshttp.NewBuildableClient()
	case !ok:
		return given
	}
	return client.
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 2 * time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
			t.WriteBufferSize = 32 << 10 // a small object goes out with its header in one write
			if tune != nil {
				tune(t)
			}
		})
}
