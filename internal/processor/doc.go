// Package processor chooses how a worker turns an image into a result: by the built-in
// processor (package imaging), by a program beside the worker (package command), or by an
// HTTP server (package remote). Each is a job.Processor, which does the work, and a
// job.Rules, which a submit asks first.
package processor
