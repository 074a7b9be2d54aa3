package lifecycle_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	t.Run("pending", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
			t.Fatal(err)
		}
		s.drain(t)
		s.wantNothing(t)
		wantKind(t, s.service.Delete(t.Context(), alice, j.ID), job.NotFound)
	})
	t.Run("completed", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		s.drain(t)
		if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
			t.Fatal(err)
		}
		s.wantNothing(t)
		if !s.ledger.has(j.ID) {
			t.Error("the bill is gone, too")
		}
	})
	for _, when := range []string{"before", "after"} {
		t.Run("while it is processed, "+when+" the output is read", func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := s.submit(t, "IMG one")
			remove := func() {
				if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
					t.Error(err)
				}
			}
			s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
				if when == "before" {
					remove()
					return result("img one"), nil
				}
				r := result("img one")
				r.Units = func() float64 { remove(); return 0 }
				return r, nil
			}
			s.drain(t)
			s.wantNothing(t)
		})
	}
	for _, op := range []jobtest.Op{jobtest.OpRemove, jobtest.OpErase} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			t.Run("after a failure of "+string(op), func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				j := s.submit(t, "IMG one")
				s.drain(t)
				s.store.Inject(jobtest.Fault{Op: op, Call: 1, When: when})
				if s.service.Delete(t.Context(), alice, j.ID) == nil {
					t.Error("no error")
				}
				if err := s.service.Delete(t.Context(), alice, j.ID); err != nil && job.KindOf(err) != job.NotFound {
					t.Fatal(err)
				}
				s.wantNothing(t)
			})
		}
	}
}

func (s *system) wantNothing(t *testing.T) {
	t.Helper()
	if d, i, o, l := s.store.Documents(), s.store.Objects(job.Input), s.store.Objects(job.Output), s.store.Listed(); d+i+o+l != 0 {
		t.Errorf("%d documents, %d inputs, %d outputs and %d entries of lists are left", d, i, o, l)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	t.Run("until the end", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		var worked sync.WaitGroup
		worked.Go(func() {
			for range time.Tick(time.Millisecond) {
				if s.store.Calls(jobtest.OpLoad) >= 2 { // it has asked, and waits
					break
				}
			}
			s.drain(t)
		})
		got, waited, err := s.service.Wait(t.Context(), alice, j.ID, time.Minute)
		if err != nil || !waited || got.Status != job.Completed {
			t.Errorf("got %+v, %v, %v", got, waited, err)
		}
		worked.Wait()
	})
	t.Run("until the time is over, with few reads", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		start := time.Now()
		got, waited, err := s.service.Wait(t.Context(), alice, j.ID, 300*time.Millisecond)
		if err != nil || !waited || got.Status != job.Pending || time.Since(start) < 300*time.Millisecond {
			t.Errorf("got %+v, %v, %v", got, waited, err)
		}
		if n := s.store.Calls(jobtest.OpLoad); n > 12 {
			t.Errorf("%d reads in 300 ms", n)
		}
	})
	t.Run("until the client leaves", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer leave()
		if _, _, err := s.service.Wait(ctx, alice, j.ID, time.Hour); err != nil {
			t.Error(err)
		}
	})
	t.Run("no more than may wait at once", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t) // three may
		j := s.submit(t, "IMG one")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		for range 3 {
			go func() {
				for ctx.Err() == nil {
					s.service.Wait(ctx, alice, j.ID, time.Hour)
				}
				done <- struct{}{}
			}()
		}
		for waited := true; waited; {
			var err error
			if _, waited, err = s.service.Wait(t.Context(), alice, j.ID, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		for range 3 {
			<-done
		}
	})
	t.Run("not for a job that is over, nor for nothing", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		s.drain(t)
		if got, waited, err := s.service.Wait(t.Context(), alice, j.ID, time.Hour); err != nil || !waited || got.Status != job.Completed {
			t.Errorf("got %+v, %v, %v", got, waited, err)
		}
		_, _, err := s.service.Wait(t.Context(), alice, job.NewID(), time.Hour)
		wantKind(t, err, job.NotFound)
	})
}

// TestDeleteOfAJobThatChanges has a worker end the job between a deletion's look at it
// and its first write: it is looked at again.
func TestDeleteOfAJobThatChanges(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	var seen []job.Status
	err := s.service.DeleteIf(t.Context(), alice, j.ID, func(j *job.Job) error {
		if seen = append(seen, j.Status); j.Status == job.Pending {
			s.drain(t)
			return nil
		}
		return job.Errorf(job.Conflict, "it is over")
	})
	if job.MessageOf(err) != "it is over" || len(seen) != 2 || seen[1] != job.Completed {
		t.Errorf("%v, after it was seen as %v", err, seen)
	}
	if d := s.document(t, j.ID); d.Deleted {
		t.Error("it is being deleted")
	}
}
