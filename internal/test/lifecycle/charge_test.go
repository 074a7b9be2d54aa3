package lifecycle_test

import (
	"encoding/json"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/service"
)

// charged is a system whose backends charge for requests.
func charged(t *testing.T) *system {
	all := job.Charges{Documents: true, Objects: true, Queue: true}
	s := newSystemWith(t, func(c *service.Config) { c.Charges = all })
	s.runner.Charges = all
	return s
}

// recorded returns the usage record of a job.
func (s *system) recorded(t *testing.T, j *job.Job) job.UsageRecord {
	t.Helper()
	var rec job.UsageRecord
	_, raw, err := j.EncodeUsage()
	if err == nil {
		err = json.Unmarshal(raw, &rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestRequestsToComeAreCounted: a document has the requests that are yet to be made when it is
// written.
func TestRequestsToComeAreCounted(t *testing.T) {
	t.Parallel()
	s := charged(t)
	j := s.submit(t, "IMG one")
	if got, want := s.document(t, j.ID).Requests, (job.Counted{Requests: job.Requests{StoreWrites: 3, Queue: 1}}); got == nil || *got != want {
		t.Errorf("a submit has %+v, want %+v: image, entry, document and message", got, want)
	}
	s.drain(t)
	// Further writes: claim, output, end and usage record. Reads: document and image. The
	// queue: receive and delete.
	want := job.Requests{StoreWrites: 7, StoreReads: 2, Queue: 3}
	if got := s.recorded(t, s.document(t, j.ID)).Requests; got == nil || *got != want {
		t.Errorf("the job has %+v, want %+v", got, want)
	}
}

// TestNoEntryIsNotCounted: a service without lists counts a write less.
func TestNoEntryIsNotCounted(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, func(c *service.Config) {
		c.Charges, c.Lists = job.Charges{Documents: true, Objects: true, Queue: true}, nil
	})
	j := s.submit(t, "IMG one")
	if got, want := s.document(t, j.ID).Requests, (job.Counted{Requests: job.Requests{StoreWrites: 2, Queue: 1}}); got == nil || *got != want {
		t.Errorf("a submit has %+v, want %+v: image, document and message", got, want)
	}
}

// TestForeignWorkerIsNotCounted: a worker that counts nothing leaves a job whose requests
// are not known, also when one that counts takes over from it.
func TestForeignWorkerIsNotCounted(t *testing.T) {
	t.Parallel()
	for name, takenOver := range map[string]bool{"to the end": false, "until it is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := charged(t)
			j := s.document(t, s.submit(t, "IMG one").ID)
			claimed := jobtest.Claimed(j, "foreign")
			claimed.StartedAt = s.runner.Now().UTC()
			claimed.UpdatedAt, claimed.LeaseUntil = claimed.StartedAt, claimed.StartedAt.Add(time.Minute)
			version, err := s.store.Swap(t.Context(), claimed)
			if err != nil {
				t.Fatal(err)
			}
			if takenOver {
				s.advance(time.Hour)
				s.drain(t)
			} else {
				failed := *claimed
				failed.Version, failed.Message = version, "it did not work"
				failed.Finish(job.Failed, s.runner.Now())
				if _, err := s.store.Swap(t.Context(), failed.Stamp(s.runner.Now())); err != nil {
					t.Fatal(err)
				}
			}
			now := s.document(t, j.ID)
			if !now.Status.Over() {
				t.Fatalf("the job is %s", now.Status)
			}
			if got := s.recorded(t, now).Requests; got != nil {
				t.Errorf("the job has %+v, want nothing that is known", got)
			}
			var day job.UsageDay
			day.Add(s.recorded(t, now))
			if day.Uncounted != 1 || day.Requests != (job.Requests{}) {
				t.Errorf("the sum is %+v", day)
			}
		})
	}
}

// TestBillOfARedrivenJobStays: what a job says of its usage is what was billed, although
// more was done for it since.
func TestBillOfARedrivenJobStays(t *testing.T) {
	t.Parallel()
	s := charged(t)
	s.processor.do = failAll
	j := s.submit(t, "IMG one")
	s.drain(t)
	before := s.recorded(t, s.document(t, j.ID))
	s.processor.do = nil
	if _, err := s.redriver.Redrive(t.Context(), j.ID, redrive.Options{}); err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	now := s.document(t, j.ID)
	after := s.recorded(t, now)
	if now.Status != job.Completed || *after.Requests != *before.Requests || after.ProcessingSeconds != before.ProcessingSeconds || after.Outcome != before.Outcome {
		t.Errorf("the job is %s, its usage %+v, and was billed as %+v", now.Status, after, before)
	}
}
