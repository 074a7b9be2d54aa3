package app

import (
	"testing"

	"claimcheck.example/internal/config"
)

// TestHostsOfALocalServer tells the hosts that a local server answers to: loopback's, and
// that of its PUBLIC_URL.
func TestHostsOfALocalServer(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][2]bool{ // without PUBLIC_URL, and with it
		"localhost:8080": {true, true}, "127.0.0.1": {true, true}, "jobs.example:8443": {false, true}, "JOBS.example:8443": {false, true},
		"jobs.example": {false, false}, "evil.example": {false, false}, "": {false, false},
	} {
		for i, url := range []string{"", "https://jobs.example:8443/api"} {
			c, err := config.Load(config.Server, []string{"S3_BUCKET=b", "SQS_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/1/q", "ALLOW_ANONYMOUS=true", "PUBLIC_URL=" + url})
			if err != nil {
				t.Fatal(err)
			}
			if got := ownHosts(c)(host); got != want[i] {
				t.Errorf("PUBLIC_URL %q, host %q: %v", url, host, got)
			}
		}
	}
}
