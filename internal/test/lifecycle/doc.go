// Package lifecycle tests the life of jobs as a whole: service, worker and redriver together
// over the twins of store and queue, on one clock. These packages have few tests in their
// own folders; those here cover them:
//
//   - service: admission, digest, direct, end, idempotency, limiter, link, list, lives, outbox,
//     outcome, questions, service, submit and usage
//   - worker: counted, lease, rest, run, usage, webhook, webhookshares and work
//   - both: cancel and charge
//   - redrive: deadletter and redrive
//   - all of them at once, by random sequences: model; documents of newer releases: unknown
package lifecycle
