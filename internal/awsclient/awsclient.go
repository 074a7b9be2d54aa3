// Package awsclient has the settings that the clients of S3 and of SQS share: which
// failed calls are repeated, and how long connections may take.
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
	// The waits before the first repetition: a lost connection or a 500 is usually over at
	// once, a throttling service needs a pause.
	afterFailure  = 400 * time.Millisecond
	afterThrottle = 2 * time.Second
)

// Retryer makes up to four tries of a call whose failure may be temporary, also when it
// fails with one of codes. It does not use the adaptive mode, in which one throttled call
// delays all others. Of the retryer that a client has from its config it keeps only
// whether it is [Impatient].
func Retryer(given aws.Retryer, codes ...string) aws.Retryer {
	pause := backoff
	if _, ok := given.(impatient); ok {
		pause = impatientBackoff
	}
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = tries
		o.Backoff = retry.BackoffDelayerFunc(pause)
		also := map[string]struct{}{}
		for _, c := range codes {
			also[c] = struct{}{}
		}
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: also})
	})
}

// backoff returns the wait after a try, counted from 1: exponential, bounded, with full
// jitter.
func backoff(try int, err error) (time.Duration, error) {
	base := afterFailure
	if retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary {
		base = afterThrottle
	}
	return rand.N(min(base<<(try-1), maxBackoff)), nil
}

// impatience divides the waits of impatient clients.
const impatience = 20

type impatient struct{ aws.Retryer }

// Impatient is the Retryer of a config for tests: clients with it make the same tries as
// in production, and wait a twentieth of the time between them.
func Impatient() aws.Retryer { return impatient{retry.NewStandard()} }

func impatientBackoff(try int, err error) (time.Duration, error) {
	d, err := backoff(try, err)
	return d / impatience, err
}

// HTTP returns the SDK's HTTP client with 2 s to connect and 64 idle connections, and
// applies tune unless that is nil. It returns a client of another type unchanged.
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
