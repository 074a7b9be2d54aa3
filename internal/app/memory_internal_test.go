package app

import (
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
)

// TestTheHeapGrowsBeforeItIsCollected reads the size of the heap at which the next
// collection starts.
func TestTheHeapGrowsBeforeItIsCollected(t *testing.T) {
	t.Parallel()
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		t.Skip("GOGC or GOMEMLIMIT is set")
	}
	ballast()
	runtime.GC()
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	if got := goal[0].Value.Uint64(); got < 2*ballastBytes {
		t.Errorf("the next collection starts at %d bytes, want at least %d", got, 2*ballastBytes)
	}
}

func TestBallastIsForProcessesThatHaveRoom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		limit int64
		gogc  string
		want  bool
	}{
		{"no limit", 0, "", true},
		{"512 MiB", 512 << 20, "", true},
		{"a Lambda function of 128 MiB", 115 << 20, "", false},
		{"GOGC is set", 0, "100", false},
	}
	for _, test := range tests {
		if got := takesBallast(test.limit, test.gogc); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}
