package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/worker"
)

// stderrLines is how many lines of a failed program are shown.
const stderrLines = 10

// showStderr shows a developer the last lines that a failed program wrote to standard
// error, below a line about its job.
func showStderr(w io.Writer, run func(context.Context, job.Delivery) worker.Outcome) func(context.Context, job.Delivery) worker.Outcome {
	return func(ctx context.Context, d job.Delivery) worker.Outcome {
		out := run(ctx, d)
		failed, ok := errors.AsType[interface {
			error
			Stderr() string
		}](out.Err)
		if !ok {
			return out
		}
		lines := strings.Split(failed.Stderr(), "\n")
		lines = lines[max(0, len(lines)-stderrLines):]
		attempt := ""
		if out.Job != nil {
			attempt = fmt.Sprintf(", attempt %d", out.Job.Attempts)
		}
		// One write, so that no log line is in between. A closed terminal fails no job.
		_, _ = fmt.Fprintf(w, "job %s%s: the processor wrote to standard error:\n    %s\n", d.JobID, attempt, strings.Join(lines, "\n    "))
		return out
	}
}
