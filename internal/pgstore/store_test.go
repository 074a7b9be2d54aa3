package pgstore_test

import (
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
)

// withObjects is a job.Store whose objects are another's.
type withObjects struct {
	*pgstore.Store
	job.Objects
}

func openStore(tb testing.TB) jobtest.StoreFixture {
	url := provisioned(tb)
	return jobtest.StoreFixture{
		Store:     withObjects{pgstore.NewStore(open(tb, url)), jobtest.NewStore(tb)},
		PutRaw:    func(tb testing.TB, id job.ID, raw []byte) { putRaw(tb, url, id, raw) },
		PartBytes: 64 << 10,
	}
}

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return openStore(t) })
}

func BenchmarkStore(b *testing.B) {
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return openStore(b) })
}
