// Package pgstore keeps job documents, usage records, messages and what became of webhooks
// in one PostgreSQL database (version 13 or newer).
//
// Each job is a row of claimcheck.jobs. The revision of its document is a column: an
// UPDATE with the expected revision in its WHERE clause is the compare-and-swap. Each
// usage record is a row of claimcheck.usage. What became of a job's webhook is a row of
// claimcheck.deliveries, which changes as documents do. Each message is a row of
// claimcheck.messages; a receiver takes rows with FOR UPDATE SKIP LOCKED. NOTIFY on the
// channel "claimcheck" wakes receivers that wait, and on "claimcheck_jobs" those who follow
// a job.
//
// Every statement is a transaction of its own, and every statement may run twice without
// harm. So the package repeats statements whose connection broke: a database that
// restarts or fails over costs its clients a moment, or an error of kind Unavailable.
//
// [Provision] alone changes the schema. The role of servers and workers needs USAGE of
// the schema claimcheck, SELECT, INSERT, UPDATE and DELETE on its tables, and no right to
// create or alter anything.
package pgstore
