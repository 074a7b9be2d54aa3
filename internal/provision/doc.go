// Package provision creates what Claimcheck stands on in AWS, or checks that it is there:
// a private bucket with lifecycle rules, a queue, and its dead-letter queue.
//
// [New] and [Provisioner.Plan] look at what is and return a [Plan] of typed steps; the
// plan is shown, printed as commands of the AWS command line, or applied. Nothing is
// ever deleted or loosened, and what somebody else has set stays: lifecycle rules and
// tags of others, limits that are wider than needed, stronger encryption. What would
// delete data sooner than now waits for [Wanted].Shorten.
//
// Every step can be repeated, so an apply that was interrupted is finished by the next.
package provision
