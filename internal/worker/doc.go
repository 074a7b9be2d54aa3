// Package worker carries out the deliveries of the queue. It has three parts:
//
//   - [Runner] runs the job of one delivery, from the claim to its end.
//   - [Deliverer] makes one try of a job's webhook.
//   - [Worker] takes deliveries, by long polls ([Worker.Serve]) or from a host that has
//     received them ([Worker.Carry]), and gives them to both: with bounded concurrency, one
//     verdict per delivery, and a stop in two phases.
//
// Package internal/test/lifecycle has most of the tests.
package worker
