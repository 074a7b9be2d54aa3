package pgstore_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
)

// TestSumUsage compares the sums of the database with those of the records themselves, before
// and after a record arrives late.
func TestSumUsage(t *testing.T) {
	t.Parallel()
	store := pgstore.NewStore(open(t, provisioned(t)))
	first := time.Date(2026, 2, 27, 23, 59, 59, 0, time.UTC)
	last := first.AddDate(0, 0, 3)
	record := func(owner string, u job.UsageRecord) {
		t.Helper()
		u.JobID, u.Owner = job.NewID(), owner
		raw, err := json.Marshal(u)
		must(t, err)
		must(t, store.RecordUsage(t.Context(), owner, u.EndedAt, u.JobID, raw))
	}
	compare := func(from, to time.Time, jobs int) {
		t.Helper()
		got, err := store.SumUsage(t.Context(), "alice", from, to)
		must(t, err)
		var want []job.UsageDay
		for u, err := range job.Bill(store.ReadUsage(t.Context(), "alice", from, to), from, to) {
			must(t, err)
			want = u.Days
			if u.Total.Jobs != jobs {
				t.Errorf("%d jobs, want %d", u.Total.Jobs, jobs)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sums (-want +got):\n%s", diff)
		}
	}
	for n := range 4 {
		ended := first.AddDate(0, 0, n)
		record("alice", job.UsageRecord{Outcome: job.Completed, EndedAt: ended, BytesIn: 1 << 40, BytesOut: 3, Pixels: 1 << 33, ProcessingSeconds: 0.1, Units: 0.3, Requests: &job.Requests{StoreWrites: 4 + n, StoreReads: 2, Queue: 3}})
		record("alice", job.UsageRecord{Outcome: job.Failed, EndedAt: ended, BytesIn: 5, ProcessingSeconds: 0.2})
		record("alice", job.UsageRecord{Outcome: "deleted", EndedAt: ended})
		record("alice", job.UsageRecord{Outcome: "of a newer release", EndedAt: ended, Units: 1e-6})
		record("bob", job.UsageRecord{Outcome: job.Completed, EndedAt: ended})
	}
	compare(first, last, 16)
	compare(first.AddDate(0, 0, 1), first.AddDate(0, 0, 2), 8)
	compare(first.AddDate(1, 0, 0), last.AddDate(1, 0, 0), 0)
	record("alice", job.UsageRecord{Outcome: job.Completed, EndedAt: first})
	compare(first, last, 17)
}
