package worker

import (
	"context"

	"claimcheck.example/internal/job"
)

// charge puts into a document that is about to be written what this run has cost so far,
// and what follows: the write itself, the usage record of a job that is over, and the last
// word to the queue. The caller calls written once the document is stored.
func (r *Runner) charge(ctx context.Context, j *job.Job) (written func()) {
	soon := r.Charges.Write(1)
	switch {
	case j.Status.Over() && j.Attempts > 0:
		soon = soon.Plus(r.Charges.Write(1)).Plus(r.Charges.Message(1))
	case j.Status.Over(), j.Worker == "":
		soon = soon.Plus(r.Charges.Message(1))
	}
	return job.MeterOf(ctx).Charge(j, soon)
}
