// Package lifecycle tests the life of jobs as a whole: service, worker and redriver together
// over the twins of store and queue, on one clock.
package lifecycle
