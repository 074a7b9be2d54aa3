// Package jobtest has the shared test support of the domain and of its adapters.
//
// [NewStore] and [NewQueue] are hostile in-memory twins of job.Store and job.Queue: they fail
// on demand, before or after a write takes effect, and they fail any test that breaks an
// invariant of a job's life.
//
// [TestStore] and [TestQueue] are conformance suites: they test every sentence of the comments
// on those interfaces. They run against each implementation and the twins, so that a proof with
// a twin also holds on the wire. [BenchmarkStore] and [BenchmarkQueue] use the same fixtures.
package jobtest
