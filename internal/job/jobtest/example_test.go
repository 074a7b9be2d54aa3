package jobtest_test

import (
	"errors"
	"fmt"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

// An adapter runs the suite on fresh, empty stores.
func ExampleTestStore() {
	_ = func(t *testing.T) { // TestConforms of the adapter's package
		jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture {
			s := jobtest.NewStore(t) // the adapter's store here
			return jobtest.StoreFixture{
				Store:     s,
				PutRaw:    func(_ testing.TB, id job.ID, raw []byte) { s.PutRaw(id, raw) },
				PartBytes: 5 << 20,
			}
		})
	}
}

// A test of the domain loses the answer to a write that took effect.
func ExampleFaults_Inject() {
	_ = func(t *testing.T) {
		s := jobtest.NewStore(t)
		s.Inject(jobtest.Fault{Op: jobtest.OpCreate, When: jobtest.After, Err: errors.New("the connection is gone")})
		j := jobtest.NewJob()
		if _, err := s.Create(t.Context(), j); err == nil {
			t.Error("the answer is not lost")
		}
		if _, err := s.Load(t.Context(), j.ID); err != nil {
			t.Errorf("the write did not take effect: %v", err)
		}
	}
}

func ExampleCheckStep() {
	pending := jobtest.NewJob()
	pending.ID = "01a205c3-98c3-73a4-8dce-5da8191d9b77"
	claimed := jobtest.Claimed(pending, "worker-1")
	fmt.Println(jobtest.CheckStep(pending, claimed))

	claimed.Attempts = 3
	fmt.Println(jobtest.CheckStep(pending, claimed))
	// Output:
	// <nil>
	// job 01a205c3-98c3-73a4-8dce-5da8191d9b77: a claim took attempts from 0 to 3
}
