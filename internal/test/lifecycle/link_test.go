package lifecycle_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/signature"
)

// TestLinkEnds follows a link until it expires, and another one until the deletion of its
// job begins: the output is still there then.
func TestLinkEnds(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, func(c *service.Config) { c.LinkKeys = signature.Of([]string{"a key of the test"}) })
	j := s.submit(t, "IMG one")
	s.drain(t)
	open := func(token string) error {
		t.Helper()
		_, _, c, err := s.service.Linked(t.Context(), token, func(string) error { return nil }, func(*job.Job) job.OpenOptions { return job.OpenOptions{} })
		if err == nil {
			c.Body.Close()
		}
		return err
	}
	short, _, err := s.service.Share(t.Context(), alice, j.ID, time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	long, _, err := s.service.Share(t.Context(), alice, j.ID, time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(short); err != nil {
		t.Errorf("at first: %v", err)
	}
	s.advance(time.Minute)
	wantKind(t, open(short), job.NotFound)
	if err := open(long); err != nil {
		t.Errorf("the longer one: %v", err)
	}
	s.store.Inject(jobtest.Fault{Op: jobtest.OpRemove, Call: 1})
	if err := s.service.Delete(t.Context(), alice, j.ID); err == nil {
		t.Fatal("the deletion is not interrupted")
	}
	if n := s.store.Objects(job.Output); n != 1 {
		t.Fatalf("%d outputs are left", n)
	}
	wantKind(t, open(long), job.NotFound)
}
