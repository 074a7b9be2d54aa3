package loopback_test

import (
	"testing"

	"claimcheck.example/internal/loopback"
)

func TestHost(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"localhost": true, "localhost:8080": true, "LocalHost:1": true, "bucket.localhost:9000": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9": true, "[::1]": true, "[::1]:8080": true,
		"": false, "evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "evillocalhost": false,
		"127.0.0.1.evil.example": false, "10.0.0.1:8080": false, "0.0.0.0:8080": false, "[::2]:8080": false, "][": false, "a:b:c": false,
	}
	for host, want := range tests {
		if got := loopback.Host(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}
