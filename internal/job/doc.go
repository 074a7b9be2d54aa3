// Package job is the model and the contracts: what a job is, which transitions it makes,
// and the small interfaces that the rest of the module implements or uses.
//
// A client leaves an image and takes a check, the identifier of a job; a worker turns the
// image into a result; the client comes back with the check. Package service has what
// clients do, package worker what workers do, package redrive what operators do. The
// comments of the interfaces here are contracts, and the suites in jobtest test every
// implementation against them.
package job
