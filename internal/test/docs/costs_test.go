package docs_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/cost"
)

// TestCosts compares docs/costs.md with the table of requests, and with the bill of the
// command on the page.
func TestCosts(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/costs.md")
	if !strings.Contains(page, "\n"+cost.Table()) {
		t.Errorf("the page has another table; the code counts by\n%s", cost.Table())
	}
	bill, err := cost.NewBill(cost.Workload{
		Jobs: 1e6, Size: 2e6, OutputSize: 300e3, Polls: 3, Outputs: 1, Work: time.Second, Answer: 100 * time.Millisecond, Lease: time.Minute,
		Days: 7, ServerCPU: 1, ServerGiB: 0.5, WorkerCPU: 1, WorkerGiB: 2,
	}, cost.Published())
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := bill.Write(&printed); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(printed.String()) {
		if !strings.Contains(page, line) {
			t.Errorf("the page does not show %q of the bill", line)
		}
	}
}
