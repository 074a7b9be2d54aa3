package httpapi

import (
	"net/http"
	"testing"
	"time"
)

func TestPreferredWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lines []string
		want  time.Duration
	}{
		{nil, 0},
		{[]string{"wait=10"}, 10 * time.Second},
		{[]string{"WAIT = 10"}, 10 * time.Second},
		{[]string{`wait="10"`}, 10 * time.Second},
		{[]string{`wait="1\0"`}, 10 * time.Second},
		{[]string{"wait=600"}, time.Minute},
		{[]string{"respond-async, wait=10"}, 10 * time.Second},
		{[]string{"respond-async", "wait=10;x=y"}, 10 * time.Second},
		{[]string{`foo="a, b"; c="d, e", wait=10`}, 10 * time.Second},
		{[]string{`foo="a\", b", wait=10`}, 10 * time.Second},
		{[]string{"wait=10, wait=20"}, 10 * time.Second},
		{[]string{`foo="a, wait=12"`}, 0},
		{[]string{`foo="a\", wait=12"`}, 0},
		{[]string{`foo="a, wait=12`}, 0},
		{[]string{`foo; bar="; wait=12"`}, 0},
		{[]string{"foo;wait=12"}, 0},
		{[]string{"wait"}, 0},
		{[]string{"wait=-1"}, 0},
		{[]string{`wait="`}, 0},
		{[]string{`wait=1"0"`}, 0},
		{[]string{"waits=10"}, 0},
	}
	for _, tt := range tests {
		if got := preferredWait(http.Header{"Prefer": tt.lines}); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.lines, got, tt.want)
		}
	}
}

func FuzzPreferredWait(f *testing.F) {
	for _, s := range []string{`foo="a, wait=12"`, `wait="1\`, `"\\"`, "wait=1;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if d := preferredWait(http.Header{"Prefer": {line}}); d < 0 || d > maxWait {
			t.Errorf("%q: %v", line, d)
		}
	})
}
