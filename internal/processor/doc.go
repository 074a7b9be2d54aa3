// Package processor chooses the way in which a worker turns an image into a result: the
// built-in one (package imaging), a program that runs beside the worker (package
// command), or an HTTP server (package remote). Each is a job.Processor, which does the
// work, and job.Rules, which a submit asks first.
package processor
