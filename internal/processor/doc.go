// Package processor holds the ways in which a worker turns an image into a result:
// [Image], the built-in pipeline in pure Go; a command that runs beside the worker; an
// HTTP server. [New] chooses one by its specification. All of them are a
// job.Processor, which does the work, and job.Rules, which a submit asks first.
package processor
