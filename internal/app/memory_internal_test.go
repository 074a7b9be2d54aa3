package app

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// TestTheHeapGrowsBeforeItIsCollected reads the size of the heap at which the next
// collection starts, without a setting of GOGC or GOMEMLIMIT.
func TestTheHeapGrowsBeforeItIsCollected(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
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
