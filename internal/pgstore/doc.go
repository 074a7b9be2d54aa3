// Package pgstore keeps job documents, usage records, messages and the event logs of webhooks
// in one PostgreSQL database (version 13 or newer).
//
// Each job is a row of claimcheck.jobs. The revision of its document is a column: an
// UPDATE with the expected revision in its WHERE clause is the compare-and-swap. Each
// usage record is a row of claimcheck.usage. The event log of a job's webhook is a row of
// claimcheck.deliveries, which changes as documents do. Each message is a row of
// claimcheck.messages; a receiver takes rows with FOR UPDATE SKIP LOCKED. NOTIFY on the
// channel "claimcheck" wakes waiting receivers, and on "claimcheck_jobs" the followers of a
// job.
//
// Every statement is a transaction of its own and does no harm when it runs twice: at worst a
// message comes twice. Therefore the package repeats statements after a broken connection: a
// restart or failover of the database causes a short delay, or an error of kind Unavailable.
//
// Only [Provision] changes the schema. The role of servers and workers needs USAGE of the
// schema claimcheck and SELECT, INSERT, UPDATE and DELETE on its tables. It needs no right to
// create or alter anything.
package pgstore
