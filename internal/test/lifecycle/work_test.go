package lifecycle_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
)

// TestInputIsTheOneThatWasSubmitted checks that an output can be traced to the very bytes
// that it was made of.
func TestInputIsTheOneThatWasSubmitted(t *testing.T) {
	t.Parallel()
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("IMG one")))
	tests := map[string]struct {
		known, end string // what the document says of the input, before and after
		lazy       bool   // the processor reads nothing
		status     job.Status
	}{
		"known":                    {sum, sum, false, job.Completed},
		"not known":                {"", sum, false, job.Completed},
		"not known, and not read":  {"", sum, true, job.Completed},
		"not the one that is left": {strings.Repeat("0", 64), strings.Repeat("0", 64), false, job.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			if tt.lazy {
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) { return result("img"), nil }
			}
			j := s.submit(t, "IMG one")
			d := s.document(t, j.ID)
			d.Input.SHA256, d.Revision = tt.known, "edited"
			if _, err := s.store.Swap(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			s.drain(t)
			if d := s.document(t, j.ID); d.Status != tt.status || d.Input.SHA256 != tt.end {
				t.Errorf("%s (%s) with input %s, want %s with %s", d.Status, d.Message, d.Input.SHA256, tt.status, tt.end)
			}
			if n := s.store.Objects(job.Output); (n == 1) != (tt.status == job.Completed) {
				t.Errorf("%d outputs", n)
			}
		})
	}
}
