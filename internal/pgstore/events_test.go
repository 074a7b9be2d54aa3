package pgstore_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
)

func TestEventLogsConform(t *testing.T) {
	t.Parallel()
	jobtest.TestEventLogs(t, func(t *testing.T) job.EventLogs { return pgstore.NewStore(open(t, provisioned(t))) })
}

func TestSweepEvents(t *testing.T) {
	t.Parallel()
	s := pgstore.NewStore(open(t, provisioned(t)))
	id := job.NewID()
	if _, err := s.SaveEvents(t.Context(), id, &job.EventLog{JobID: id, Event: "e", Revision: "r"}); err != nil {
		t.Fatal(err)
	}
	for before, want := range map[time.Time]int{time.Now().Add(-time.Hour): 0, time.Now().Add(time.Hour): 1} {
		if n, err := s.SweepEvents(t.Context(), before); err != nil || n != want {
			t.Errorf("swept %d, %v", n, err)
		}
	}
	if _, err := s.LoadEvents(t.Context(), id); job.KindOf(err) != job.NotFound {
		t.Errorf("after the sweep: %v", err)
	}
}
