package jobtest

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// ChangesFixture is a store of documents that reports their changes.
type ChangesFixture struct {
	Changes   job.Changes
	Documents job.Documents
}

// TestChanges tests an implementation of job.Changes against the comments on the interface.
// Each subtest gets a fixture of its own.
func TestChanges(t *testing.T, open func(t *testing.T) ChangesFixture) {
	tests := map[string]func(*testing.T, ChangesFixture, *job.Job, job.Follower){
		"a swap is reported": func(t *testing.T, f ChangesFixture, j *job.Job, follower job.Follower) {
			for range 3 {
				next := Claimed(j, "worker")
				version, err := f.Documents.Swap(t.Context(), next)
				must(t, err)
				reported(t, follower)
				next.Version = version
				j = next
			}
		},
		"a deletion is reported": func(t *testing.T, f ChangesFixture, j *job.Job, follower job.Follower) {
			must(t, f.Documents.Erase(t.Context(), j.ID, ""))
			reported(t, follower)
		},
		"each follower gets the report": func(t *testing.T, f ChangesFixture, j *job.Job, follower job.Follower) {
			closed, second := f.Changes.Follow(j.ID), f.Changes.Follow(j.ID)
			defer second.Close()
			closed.Close()
			_, err := f.Documents.Swap(t.Context(), Claimed(j, "worker"))
			must(t, err)
			reported(t, follower)
			reported(t, second)
			select {
			case <-closed.Changed():
				t.Error("a closed follower gets the report")
			default:
			}
		},
		"another job's change is not reported": func(t *testing.T, f ChangesFixture, j *job.Job, follower job.Follower) {
			other := NewJob()
			theirs := f.Changes.Follow(other.ID)
			defer theirs.Close()
			_, err := f.Documents.Create(t.Context(), other)
			must(t, err)
			must(t, f.Documents.Erase(t.Context(), other.ID, ""))
			reported(t, theirs)
			select {
			case <-follower.Changed():
				t.Error("the change of another job is reported")
			default:
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, j := open(t), NewJob()
			version, err := f.Documents.Create(t.Context(), j)
			must(t, err)
			j.Version = version
			follower := f.Changes.Follow(j.ID)
			defer follower.Close()
			for !follower.Live() {
				reported(t, follower)
			}
			select { // that it has become live
			case <-follower.Changed():
			default:
			}
			test(t, f, j, follower)
		})
	}
}

// reported waits for a report.
func reported(t *testing.T, f job.Follower) {
	t.Helper()
	select {
	case <-f.Changed():
	case <-time.After(time.Minute):
		t.Fatal("no change is reported")
	}
}
