package awsclient

import (
	"errors"
	"net/http"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		most []time.Duration // after each try
	}{
		"failure":  {errors.New("connection reset"), []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second}},
		"throttle": {&smithy.GenericAPIError{Code: "SlowDown"}, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, most := range tt.most {
				var longest time.Duration
				for range 1000 {
					d, err := backoff(i+1, tt.err)
					if err != nil || d < 0 || d >= most {
						t.Fatalf("after try %d: %s, %v; want less than %s", i+1, d, err, most)
					}
					longest = max(longest, d)
				}
				if longest < most*3/4 {
					t.Errorf("after try %d no wait was longer than %s; want up to %s", i+1, longest, most)
				}
			}
		})
	}
}

func TestRetryer(t *testing.T) {
	t.Parallel()
	r := Retryer(nil, "OperationAborted")
	if r.MaxAttempts() != 4 {
		t.Errorf("%d tries", r.MaxAttempts())
	}
	for code, want := range map[string]bool{"OperationAborted": true, "SlowDown": true, "InternalError": false, "AccessDenied": false} {
		if got := r.IsErrorRetryable(&smithy.GenericAPIError{Code: code}); got != want {
			t.Errorf("%s is tried again: %v", code, got)
		}
	}
}

// TestImpatient checks that an impatient client waits less, and differs in nothing else.
func TestImpatient(t *testing.T) {
	t.Parallel()
	r := Retryer(Impatient(), "OperationAborted")
	if r.MaxAttempts() != tries || !r.IsErrorRetryable(&smithy.GenericAPIError{Code: "OperationAborted"}) {
		t.Errorf("%d tries", r.MaxAttempts())
	}
	for range 1000 {
		if d, err := r.RetryDelay(tries, &smithy.GenericAPIError{Code: "SlowDown"}); err != nil || d >= maxBackoff/impatience {
			t.Fatalf("a wait of %s, %v", d, err)
		}
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	own := &http.Client{}
	if HTTP(own, nil) != own {
		t.Error("a client of the caller's own was replaced")
	}
	client := HTTP(nil, func(tr *http.Transport) { tr.ResponseHeaderTimeout = time.Second }).(*awshttp.BuildableClient)
	if d := client.GetDialer().Timeout; d != 2*time.Second {
		t.Errorf("%s to connect", d)
	}
	if tr := client.GetTransport(); tr.MaxIdleConnsPerHost != 64 || tr.ResponseHeaderTimeout != time.Second {
		t.Errorf("transport is set to %d connections, %s", tr.MaxIdleConnsPerHost, tr.ResponseHeaderTimeout)
	}
}
