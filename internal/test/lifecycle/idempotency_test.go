package lifecycle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

// TestAcceptedJobStaysAccepted has two requests for one job overlap. One hangs at a
// backend until it fails, after the other got an acceptance: the job stays accepted,
// whatever the first one does then.
func TestAcceptedJobStaysAccepted(t *testing.T) {
	t.Parallel()
	submit := func(t *testing.T, s *system, _ job.ID) (*job.Job, error) {
		in := submission("IMG one")
		in.Key = "k"
		return s.post(t.Context(), alice, in)
	}
	commit := func(t *testing.T, s *system, id job.ID) (*job.Job, error) {
		return s.service.Commit(t.Context(), alice, id, nil)
	}
	announced := func(t *testing.T, s *system) job.ID {
		j, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		return j.ID
	}
	uploaded := func(t *testing.T, s *system) job.ID {
		id := announced(t, s)
		s.uploaded(t, id, "image/png", "IMG one")
		return id
	}
	nothing := func(*testing.T, *system) job.ID { return "" }
	tests := map[string]struct {
		before        func(*testing.T, *system) job.ID
		hangs         jobtest.Op
		first, second func(*testing.T, *system, job.ID) (*job.Job, error)
	}{
		"two submits, the message":          {nothing, jobtest.OpSend, submit, submit},
		"two submits, the image":            {nothing, jobtest.OpCommit, submit, submit},
		"two submits, the document":         {nothing, jobtest.OpCreate, submit, submit},
		"two commits, the message":          {uploaded, jobtest.OpSend, commit, commit},
		"two commits, the document":         {uploaded, jobtest.OpSwap, commit, commit},
		"a submit and a commit":             {announced, jobtest.OpSend, submit, commit},
		"a commit and a submit":             {uploaded, jobtest.OpSend, commit, submit},
		"two submits of what was announced": {announced, jobtest.OpSend, submit, submit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t)
				id := tt.before(t, s)
				when := jobtest.Block
				s.store.Inject(jobtest.Fault{Op: tt.hangs, Call: 1, When: when})
				s.queue.Inject(jobtest.Fault{Op: tt.hangs, Call: 1, When: when})
				ended := make(chan error, 1)
				go func() {
					_, err := tt.first(t, s, id)
					ended <- err
				}()
				synctest.Wait() // it hangs
				j, err := tt.second(t, s, id)
				if err != nil {
					t.Fatalf("the second one: %v", err)
				}
				if err := <-ended; err == nil {
					t.Error("the first one did not fail")
				}
				s.drain(t)
				if d := s.document(t, j.ID); d.Status != job.Completed {
					t.Errorf("what was accepted is %s: %s", d.Status, d.Message)
				}
			})
		})
	}
}

// TestRepeatOfWhatWasGivenUp submits again under the key of a job whose message has
// expired: the job begins anew, and the answer says so.
func TestRepeatOfWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		in := submission("IMG one")
		in.Key = "k"
		j, err := s.post(t.Context(), alice, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.queue.Delete(t.Context(), s.receive(t).Receipt); err != nil {
			t.Fatal(err)
		}
		s.advance(retention + time.Hour)
		if got, err := s.service.Status(t.Context(), alice, j.ID); err != nil || got.Status != job.Failed {
			t.Fatalf("got %+v, %v", got, err)
		}
		in = submission("IMG one")
		in.Key = "k"
		again, err := s.post(t.Context(), alice, in)
		if err != nil || again.ID != j.ID || again.Status != job.Pending {
			t.Errorf("repeated: %+v, %v", again, err)
		}
		s.drain(t)
		if got, err := s.service.Status(t.Context(), alice, j.ID); err != nil || got.Status != job.Completed {
			t.Errorf("in the end %+v, %v", got, err)
		}
	})
}
