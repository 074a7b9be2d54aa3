package lifecycle_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

// interrupted is a store in which something else happens before one of its calls.
type interrupted struct {
	*jobtest.Store
	op jobtest.Op
	do func()
}

func (s *interrupted) next(op jobtest.Op) {
	if do := s.do; do != nil && op == s.op {
		s.do = nil
		do()
	}
}

func (s *interrupted) Create(ctx context.Context, j *job.Job) (string, error) {
	s.next(jobtest.OpCreate)
	return s.Store.Create(ctx, j)
}

func (s *interrupted) Swap(ctx context.Context, j *job.Job) (string, error) {
	s.next(jobtest.OpSwap)
	return s.Store.Swap(ctx, j)
}

func (s *interrupted) Stage(ctx context.Context, section job.Section, id job.ID, contentType string, r io.Reader) (job.Staged, error) {
	s.next(jobtest.OpStage)
	return s.Store.Stage(ctx, section, id, contentType, r)
}

func (s *interrupted) Open(ctx context.Context, section job.Section, id job.ID, opts job.OpenOptions) (*job.Content, error) {
	s.next(jobtest.OpOpen)
	return s.Store.Open(ctx, section, id, opts)
}

// TestCommitWhileASubmitBringsTheImage has a submit under the same key bring the image while
// a commit looks for the uploaded one: the commit finds the job queued.
func TestCommitWhileASubmitBringsTheImage(t *testing.T) {
	t.Parallel()
	store := &interrupted{op: jobtest.OpOpen}
	s := newSystemWith(t, func(c *service.Config) {
		store.Store = c.Store.(*jobtest.Store)
		c.Store = store
	})
	announced, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	store.do = func() {
		in := submission("IMG one")
		in.Key = "k"
		if _, err := s.post(t.Context(), alice, in); err != nil {
			t.Error(err)
		}
	}
	j, err := s.service.Commit(t.Context(), alice, announced.ID, nil)
	if err != nil || j.Status != job.Pending || !j.UploadUntil.IsZero() {
		t.Errorf("Commit = %+v, %v; want the queued job", j, err)
	}
}

// TestKeyWhoseJobIsDeletedMeanwhile has a submit under a key find the key's job, which is
// deleted before the submit writes: the submit makes the job anew, or is refused as one that
// may be tried again. No image is left that no document names.
func TestKeyWhoseJobIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	type act = func(*testing.T, *system) (*job.Job, error)
	underKey := func(t *testing.T, s *system) (*job.Job, error) {
		in := submission("IMG one")
		in.Key = "k"
		return s.post(t.Context(), alice, in)
	}
	announced := func(t *testing.T, s *system) (*job.Job, error) {
		return s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7, Key: "k"})
	}
	tests := map[string]struct {
		first, second act
		before        jobtest.Op
	}{
		"a repeat":                           {underKey, underKey, jobtest.OpSwap},
		"the announced image, to be written": {announced, underKey, jobtest.OpSwap},
		"the announced image, to be read":    {announced, underKey, jobtest.OpStage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &interrupted{op: tt.before}
			s := newSystemWith(t, func(c *service.Config) {
				store.Store = c.Store.(*jobtest.Store)
				c.Store = store
			})
			j, err := tt.first(t, s)
			if err != nil {
				t.Fatal(err)
			}
			s.advance(20 * time.Second) // a repeat sends again
			done := false
			store.do = func() {
				done = true
				if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
					t.Error(err)
				}
			}
			again, err := tt.second(t, s)
			if !done {
				t.Fatal("nothing happened meanwhile")
			}
			if err != nil {
				wantKind(t, err, job.Conflict)
				if e, ok := errors.AsType[*job.Error](err); !ok || e.RetryAfter <= 0 {
					t.Errorf("%v does not say when to try again", err)
				}
				if n := s.store.Objects(job.Input); n != 0 {
					t.Errorf("%d images are left behind", n)
				}
				if again, err = tt.second(t, s); err != nil {
					t.Fatalf("tried again: %v", err)
				}
			}
			s.drain(t)
			if got := s.output(t, again.ID); got != "img one" {
				t.Errorf("output is %q", got)
			}
			if n := s.store.Objects(job.Input); n != 1 {
				t.Errorf("%d images are stored", n)
			}
		})
	}
}

// TestLostSubmitLeavesNoImage has two submits under one key overlap, the second of which
// stores its image and then finds the first one's document.
func TestLostSubmitLeavesNoImage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		image string
		kind  job.Kind
	}{"the same image": {image: "IMG one"}, "another image": {"IMG two", job.Mismatch}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &interrupted{op: jobtest.OpCreate}
			s := newSystemWith(t, func(c *service.Config) {
				store.Store = c.Store.(*jobtest.Store)
				c.Store = store
			})
			submit := func(image string) (*job.Job, error) {
				in := submission(image)
				in.Key = "k"
				return s.post(t.Context(), alice, in)
			}
			store.do = func() {
				s.advance(time.Second) // the other one has a time of its own in the list
				if _, err := submit(tt.image); err != nil {
					t.Error(err)
				}
			}
			_, err := submit("IMG one")
			if job.KindOf(err) != tt.kind {
				t.Errorf("the second one: %v", err)
			}
			if n := s.store.Objects(job.Input); n != 1 {
				t.Errorf("%d images are stored", n)
			}
			if n := s.store.Listed(); n != 1 {
				t.Errorf("%d entries are in the lists", n)
			}
			s.drain(t)
		})
	}
}

// TestFormerTryLeavesNoImage repeats a submit under a key that was not accepted.
func TestFormerTryLeavesNoImage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	submit := func() (*job.Job, error) {
		in := submission("IMG one")
		in.Key = "k"
		return s.post(t.Context(), alice, in)
	}
	s.queue.Inject(jobtest.Fault{Op: jobtest.OpSend, Call: 1})
	if _, err := submit(); err == nil {
		t.Fatal("it is accepted without a message")
	}
	if _, err := submit(); err != nil {
		t.Fatal(err)
	}
	if n := s.store.Objects(job.Input); n != 1 {
		t.Errorf("%d images are stored", n)
	}
	s.drain(t)
}

// TestWorkerOfADeletedLife deletes a job under a worker's hands and submits under its key
// again. The first worker's end touches nothing of the second life; both are billed.
func TestWorkerOfADeletedLife(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	submit := func() *job.Job {
		in := submission("IMG one")
		in.Key = "k"
		j, err := s.post(t.Context(), alice, in)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	first := submit()
	var second *job.Job
	s.processor.do = func(ctx context.Context, task job.Task) (*job.Result, error) {
		s.processor.do = nil
		if err := s.service.Delete(ctx, alice, first.ID); err != nil {
			t.Error(err)
		}
		second = submit()
		s.runner.Run(ctx, s.receive(t))
		return result("late"), nil
	}
	s.runner.Run(t.Context(), s.receive(t))
	if got := s.output(t, second.ID); got != "img one" {
		t.Errorf("output is %q", got)
	}
	for _, j := range []*job.Job{first, second} {
		if n := s.ledger.bills(j.ObjectID()); n != 1 {
			t.Errorf("a life is billed %d times", n)
		}
	}
	if n := s.store.Objects(job.Output); n != 1 {
		t.Errorf("%d outputs are stored", n)
	}
}

// TestWorkerTakesTheVeryImage has the image of a committed upload be another one by the time
// of the work: the job fails, and nothing is processed.
func TestWorkerTakesTheVeryImage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.announce(t, "IMG one")
	s.uploaded(t, j.ID, "image/png", "IMG one")
	if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
		t.Fatal(err)
	}
	s.uploaded(t, j.ID, "image/png", "IMG two")
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Failed || s.processor.calls.Load() != 0 {
		t.Errorf("%s: %s, processed %d times", d.Status, d.Message, s.processor.calls.Load())
	}
}
