// Package job is the domain: what a job is, how it lives and who may touch it.
//
// A client leaves an image and takes a check, the identifier of a job; a worker
// turns the image into a result; the client comes back with the check. [Service]
// holds every rule of that exchange. It knows no transport, no cloud and no vendor:
// what it needs of the world it asks for through the small interfaces of this
// package, whose comments are contracts that the suites in jobtest hold every
// implementation to.
package job
