package lifecycle_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/worker"
)

// newOutboxSystem has documents and messages in one place.
func newOutboxSystem(t *testing.T) *system {
	t.Helper()
	return newSystemWith(t, func(c *service.Config) {
		c.Outbox = jobtest.NewOutbox(c.Store.(*jobtest.Store), c.Queue.(*jobtest.Queue))
	})
}

// TestOutboxSubmit sends the message with the document, after the image: the twin of the
// queue breaks the test when a message comes before its image.
func TestOutboxSubmit(t *testing.T) {
	t.Parallel()
	s := newOutboxSystem(t)
	s.submit(t, "IMG one")
	underKey := submission("IMG two")
	underKey.Key = "k"
	if _, err := s.post(t.Context(), alice, underKey); err != nil {
		t.Fatal(err)
	}
	if creates, sends, messages := s.store.Calls(jobtest.OpCreate), s.queue.Calls(jobtest.OpSend), s.queue.Len(); creates != 2 || sends != 0 || messages != 2 {
		t.Errorf("%d creates, %d sends, %d messages; want 2, 0 and 2", creates, sends, messages)
	}
	again := submission("IMG two")
	again.Key = "k"
	if _, err := s.post(t.Context(), alice, again); err != nil {
		t.Fatal(err)
	}
	if n := s.queue.Len(); n != 2 {
		t.Errorf("a repeat made them %d messages, want 2", n)
	}
	s.drain(t)
}

// TestOutboxFails has the one step fail before it took effect, or after.
func TestOutboxFails(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]jobtest.When{"before": jobtest.Before, "after": jobtest.After} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOutboxSystem(t)
			s.store.Inject(jobtest.Fault{Op: jobtest.OpCreate, When: when, Call: 1})
			j, err := s.post(t.Context(), alice, submission("IMG one"))
			if err == nil || j == nil {
				t.Fatalf("got job %v, %v; want one that is not accepted", j, err)
			}
			s.drain(t)
			if d := s.document(t, j.ID); d.Status != job.Failed || !d.Unaccepted {
				t.Errorf("the document says %s, unaccepted %v; want failed, true", d.Status, d.Unaccepted)
			}
		})
	}
}

// TestOutboxWithoutImage has no image stored, and so no job.
func TestOutboxWithoutImage(t *testing.T) {
	t.Parallel()
	s := newOutboxSystem(t)
	s.store.Inject(jobtest.Fault{Op: jobtest.OpCommit, When: jobtest.Before, Call: 1})
	j, err := s.post(t.Context(), alice, submission("IMG one"))
	if err == nil || j == nil {
		t.Fatalf("got job %v, %v; want one that is not accepted", j, err)
	}
	if d := s.document(t, j.ID); d.Status != job.Failed || s.queue.Len() != 0 {
		t.Errorf("the document says %s, and there are %d messages; want failed and none", d.Status, s.queue.Len())
	}
}

// TestDeliveredDocument claims by the document that came with the delivery, and reads it
// anew when it has changed since.
func TestDeliveredDocument(t *testing.T) {
	t.Parallel()
	receive := func(t *testing.T, s *system) job.Delivery {
		t.Helper()
		ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
		if err != nil || len(ds) != 1 {
			t.Fatalf("got %d messages, %v; want 1", len(ds), err)
		}
		ds[0].Job = s.document(t, ds[0].JobID)
		return ds[0]
	}
	t.Run("current", func(t *testing.T) {
		t.Parallel()
		s := newOutboxSystem(t)
		s.submit(t, "IMG one")
		d := receive(t, s)
		before := s.store.Calls(jobtest.OpLoad)
		out := s.runner.Run(t.Context(), d)
		if loads := s.store.Calls(jobtest.OpLoad) - before; !out.Ended || loads != 0 {
			t.Errorf("ended %v (%v) after %d loads; want true after none", out.Ended, out.Err, loads)
		}
		if d.Job.Status != job.Pending {
			t.Errorf("the delivery's document became %s", d.Job.Status)
		}
	})
	t.Run("deleted since", func(t *testing.T) {
		t.Parallel()
		s := newOutboxSystem(t)
		j := s.submit(t, "IMG one")
		d := receive(t, s)
		if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
			t.Fatal(err)
		}
		if out := s.runner.Run(t.Context(), d); out.Verdict != worker.Done || out.Ended {
			t.Errorf("got %+v, want a message that is deleted and no job", out)
		}
	})
	t.Run("claimed since", func(t *testing.T) {
		t.Parallel()
		s := newOutboxSystem(t)
		s.submit(t, "IMG one")
		d := receive(t, s)
		first := s.newRunner("worker-2")
		if out := first.Run(t.Context(), d); !out.Ended {
			t.Fatalf("got %+v, want the end of the job", out)
		}
		if out := s.runner.Run(t.Context(), d); out.Verdict != worker.Done || out.Ended {
			t.Errorf("got %+v, want a message that is deleted and no second end", out)
		}
	})
}
