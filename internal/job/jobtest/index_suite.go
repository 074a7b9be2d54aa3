package jobtest

import (
	"slices"
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// testIndex tests an implementation of job.Index against the comments on the interface, if the
// store is one.
func testIndex(t *testing.T, s StoreFixture) {
	index, ok := s.Store.(job.Index)
	if !ok {
		t.Fatalf("%T is not a job.Index", s.Store)
	}
	list := func(from, to time.Time) []job.ID {
		t.Helper()
		var ids []job.ID
		for id, err := range index.Jobs(t.Context(), from, to) {
			must(t, err)
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	if ids := list(time.Time{}, time.Time{}); ids != nil {
		t.Errorf("an empty store has %v", ids)
	}
	var want []job.ID
	for range 3 {
		want = append(want, create(t, s).ID)
	}
	slices.Sort(want)
	now := time.Now()
	tests := map[string]struct {
		from, to time.Time
		want     []job.ID
	}{
		"all":          {time.Time{}, time.Time{}, want},
		"of this hour": {now.Add(-time.Hour), now.Add(time.Hour), want},
		"since then":   {now.Add(-time.Hour), time.Time{}, want},
		"until now":    {time.Time{}, now.Add(time.Hour), want},
		"later":        {now.Add(time.Hour), time.Time{}, nil},
		"earlier":      {time.Time{}, now.Add(-time.Hour), nil},
	}
	for name, tt := range tests {
		if got := list(tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	for range index.Jobs(t.Context(), time.Time{}, time.Time{}) {
		break // and no more is asked for
	}
	for _, err := range index.Jobs(ended(t), time.Time{}, time.Time{}) {
		wantKind(t, err, job.Canceled)
	}
}
