// Package units reads the units that a processor bills for a job.
package units

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"claimcheck.example/internal/job"
)

// Max bounds the units of one run, so that the sum of many stays a number.
const Max = 1e12

// Billable reads a number of units. Anything else bills nothing, and the operator gets a
// warning.
func Billable(ctx context.Context, log *slog.Logger, id job.ID, text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err == nil && n >= 0 && n <= Max {
		return n
	}
	log.WarnContext(ctx, "ignoring the units of a processor: they must be a number from 0 to 1e12", "job_id", id, "units", fmt.Sprintf("%.40q", text))
	return 0
}
