package config_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/config"
)

func TestDestinations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"receiver.internal":               "receiver.internal",
		" Receiver.Internal. , localhost": "receiver.internal,localhost",
		"10.1.2.3/8,::1":                  "10.0.0.0/8,::1/128",
		"[::1], 127.0.0.1":                "::1/128,127.0.0.1/32",
		"host,fd00::/8":                   "host,fd00::/8",
	} {
		var d config.Destinations
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%q: got %s, %v, want %s", text, d, err, want)
		}
	}
	for _, text := range []string{"https://host", "host:8080", "10.0.0.0/33", "10.0.0", "2130706433", "a,,b", "*", "*.internal", "a b", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "fe80::1%eth0", "user@host"} {
		var d config.Destinations
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %s", text, d)
		}
	}
}

func TestOutboundAllowIsShownAndChecked(t *testing.T) {
	t.Parallel()
	environ := []string{"S3_BUCKET=b", "SQS_QUEUE_URL=http://q/q", "ALLOW_ANONYMOUS=true"}
	c, err := config.Load(config.Server, append(environ, "OUTBOUND_ALLOW=localhost,10.0.0.0/8"))
	if err != nil || !strings.Contains(c.LogValue().String(), "OUTBOUND_ALLOW=localhost,10.0.0.0/8") {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := config.Load(config.Server, append(environ, "OUTBOUND_ALLOW=http://localhost")); err == nil || !strings.Contains(err.Error(), `OUTBOUND_ALLOW: "http://localhost": this is not a host`) {
		t.Errorf("got %v", err)
	}
}
