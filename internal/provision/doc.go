// Package provision creates the resources of Claimcheck in AWS, or checks existing ones:
// a private bucket with lifecycle rules, a queue, and its dead-letter queue.
//
// [New] and [Provisioner.Plan] read the present state and return a [Plan] of typed steps,
// which can be shown, printed as commands of the AWS command line, or applied. A plan
// never deletes or loosens anything, and keeps the settings of others: lifecycle rules
// and tags, limits that are wider than needed, stronger encryption. A change that would
// delete data sooner than now requires [Wanted].Shorten.
//
// Every step can be repeated, so the next apply completes an interrupted one.
package provision
