// Package jobtest holds what tests of the domain and of its adapters share.
//
// [NewStore] and [NewQueue] are hostile in-memory twins of job.Store and job.Queue: they
// fail on demand, before or after a write took effect, and they fail any test in which an
// invariant of a job's life is broken.
//
// [TestStore] and [TestQueue] are conformance suites: every sentence of the comments on
// those interfaces as a test, to be run against each implementation, the twins included,
// so that what is proven with a twin holds on the wire. [BenchmarkStore] and
// [BenchmarkQueue] measure through the same fixtures.
package jobtest
