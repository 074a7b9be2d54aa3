package dirstore_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

// store returns an empty store and its folder.
func store(tb testing.TB) (*dirstore.Store, string) {
	tb.Helper()
	root := tb.TempDir()
	if _, err := dirstore.Provision(root); err != nil {
		tb.Fatal(err)
	}
	return dirstore.New(root, dirstore.Options{}), root
}

// withDocuments is a job.Store whose documents are another's.
type withDocuments struct {
	job.Documents
	*dirstore.Store
	job.Lists
	index job.Index
}

// Jobs implements job.Index.
func (w withDocuments) Jobs(ctx context.Context, from, to time.Time) iter.Seq2[job.ID, error] {
	return w.index.Jobs(ctx, from, to)
}

func open(tb testing.TB) jobtest.StoreFixture {
	s, _ := store(tb)
	return fixture(tb, s)
}

func fixture(tb testing.TB, s *dirstore.Store) jobtest.StoreFixture {
	twin := jobtest.NewStore(tb)
	return jobtest.StoreFixture{
		Store:     withDocuments{twin, s, twin, twin},
		PutRaw:    func(_ testing.TB, id job.ID, raw []byte) { twin.PutRaw(id, raw) },
		PartBytes: 256 << 10,
	}
}

func TestConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return open(t) })
}

func TestConformsWithNamedFiles(t *testing.T) {
	t.Parallel()
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture {
		s, _ := store(t)
		s.NameFiles()
		return fixture(t, s)
	})
}

func BenchmarkStore(b *testing.B) {
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return open(b) })
}
