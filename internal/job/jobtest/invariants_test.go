package jobtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

// victim is a test that a twin may fail.
type victim struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (v *victim) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.errors = append(v.errors, fmt.Sprintf(format, args...))
}

func (v *victim) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }

// end ends the test, and returns its failures.
func (v *victim) end() string {
	for _, f := range v.cleanups {
		f()
	}
	return strings.Join(v.errors, "\n")
}

// TestInvariants breaks each invariant once: the twin must fail the test.
func TestInvariants(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	create := func(s *jobtest.Store, change func(*job.Job)) *job.Job {
		j := jobtest.NewJob()
		change(j)
		j.Version, _ = s.Create(ctx, j)
		return j
	}
	plain := func(*job.Job) {}
	step := func(s *jobtest.Store, j *job.Job, change func(*job.Job)) *job.Job {
		next := jobtest.Claimed(j, "worker")
		change(next)
		next.Version, _ = s.Swap(ctx, next)
		return next
	}
	tests := []struct {
		name string
		act  func(s *jobtest.Store, q *jobtest.Queue)
		want string // what the test is broken with; empty: it is not
	}{
		{"a job's life", func(s *jobtest.Store, q *jobtest.Queue) {
			j := create(s, plain)
			stageAndCommit(ctx, s, job.Input, j.ID)
			_ = q.Send(ctx, job.Message{JobID: j.ID, Owner: j.Owner})
			j = step(s, step(s, j, plain), plain)
			stageAndCommit(ctx, s, job.Output, j.ID)
			step(s, j, func(j *job.Job) { j.Status, j.Output = job.Completed, &job.Media{} })
		}, ""},
		{"a lost write again", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, plain)
			_, _ = s.Create(ctx, j)
			next := jobtest.Claimed(j, "worker")
			_, _ = s.Swap(ctx, next)
			_, _ = s.Swap(ctx, next)
		}, ""},
		{"an unaccepted job's second birth", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, func(j *job.Job) { j.Status, j.Message, j.Unaccepted = job.Failed, "sorry", true })
			step(s, j, func(j *job.Job) { j.Status, j.Unaccepted, j.Attempts = job.Pending, false, 0 })
		}, ""},
		{"born claimed", func(s *jobtest.Store, _ *jobtest.Queue) {
			create(s, func(j *job.Job) { *j = *jobtest.Claimed(j, "worker") })
		}, "born processing"},
		{"without an owner", func(s *jobtest.Store, _ *jobtest.Queue) { create(s, func(j *job.Job) { j.Owner = "" }) }, "it has no owner"},
		{"without a revision", func(s *jobtest.Store, _ *jobtest.Queue) { create(s, func(j *job.Job) { j.Revision = "" }) }, "without a revision"},
		{"under no UUID", func(s *jobtest.Store, _ *jobtest.Queue) { create(s, func(j *job.Job) { j.ID = "x" }) }, "not a canonical UUID"},
		{"of unknown status", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.Status = "thinking" })
		}, "unknown status"},
		{"without what another release wrote", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, func(j *job.Job) { j.Extra = map[string]json.RawMessage{"priority": []byte("1")} })
			step(s, j, func(j *job.Job) { j.Extra = nil })
		}, "lost what another release"},
		{"failed in silence", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.Status = job.Failed })
		}, "without a message"},
		{"no lease", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.LeaseUntil = time.Time{} })
		}, "without a lease"},
		{"a lease of no worker", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.Worker = "" })
		}, "a lease without worker"},
		{"a claim that is not counted", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.Attempts = 0; j.LeaseUntil = j.UpdatedAt })
		}, "attempts from 0 to 0"},
		{"attempts out of thin air", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, step(s, create(s, plain), plain), func(j *job.Job) { j.Attempts = 7 })
		}, "attempts went from 1 to 7"},
		{"another owner", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.Owner = "mallory" })
		}, "its owner changed"},
		{"another birthday", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, create(s, plain), func(j *job.Job) { j.CreatedAt = j.CreatedAt.Add(time.Hour) })
		}, "created_at changed"},
		{"back from the dead", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, func(j *job.Job) { j.Status = job.Processing })
		}, "failed is final"},
		{"put back", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, step(s, create(s, plain), plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, backAgain)
		}, ""},
		{"put back without a word of it", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, func(j *job.Job) { backAgain(j); j.RedrivenAt = time.Time{} })
		}, "failed is final"},
		{"put back from completion", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), plain)
			stageAndCommit(ctx, s, job.Output, j.ID)
			j = step(s, j, func(j *job.Job) { j.Status, j.Output = job.Completed, &job.Media{} })
			step(s, j, func(j *job.Job) { backAgain(j); j.Output = nil })
		}, "put back although it was completed"},
		{"put back half", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, func(j *job.Job) { backAgain(j); j.Attempts = 1 })
		}, "something of its former life"},
		{"put back, to be billed twice", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, func(j *job.Job) { backAgain(j); j.BilledAt = time.Time{} })
		}, "its bill forgotten"},
		{"billed on another day", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.BilledAt = time.Now() })
			step(s, j, func(j *job.Job) { j.BilledAt = j.BilledAt.Add(time.Hour) })
		}, "was billed at"},
		{"put back before it was", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := step(s, create(s, plain), func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			j = step(s, j, backAgain)
			j = step(s, j, func(j *job.Job) { j.Status, j.Message = job.Failed, "sorry" })
			step(s, j, func(j *job.Job) { was := j.RedrivenAt; backAgain(j); j.RedrivenAt = was.Add(-time.Hour) })
		}, "after it had been at"},
		{"completed at once", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, plain)
			stageAndCommit(ctx, s, job.Output, j.ID)
			step(s, j, func(j *job.Job) { j.Status, j.Output = job.Completed, &job.Media{} })
		}, "without having been claimed"},
		{"completed without a result", func(s *jobtest.Store, _ *jobtest.Queue) {
			step(s, step(s, create(s, plain), plain), func(j *job.Job) { j.Status, j.Output = job.Completed, &job.Media{} })
		}, "its output is not there"},
		{"an old revision", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, plain)
			create(s, func(other *job.Job) { other.Revision = j.Revision })
		}, "names two different writes"},
		{"the same revision", func(s *jobtest.Store, _ *jobtest.Queue) {
			j := create(s, plain)
			step(s, j, func(next *job.Job) { next.Revision = j.Revision })
		}, "the revision it had"},
		{"staged and forgotten", func(s *jobtest.Store, _ *jobtest.Queue) {
			_, _ = s.Stage(ctx, job.Input, job.NewID(), "image/png", strings.NewReader("x"))
		}, "1 staged objects"},
		{"opened and forgotten", func(s *jobtest.Store, _ *jobtest.Queue) {
			id := job.NewID()
			stageAndCommit(ctx, s, job.Input, id)
			_, _ = s.Open(ctx, job.Input, id, job.OpenOptions{})
		}, "1 bodies"},
		{"a message ahead of its document", func(s *jobtest.Store, q *jobtest.Queue) {
			id := job.NewID()
			stageAndCommit(ctx, s, job.Input, id)
			_ = q.Send(ctx, job.Message{JobID: id, Owner: "o|s"})
		}, "no document"},
		{"a message ahead of its input", func(s *jobtest.Store, q *jobtest.Queue) {
			_ = q.Send(ctx, job.Message{JobID: create(s, plain).ID, Owner: "o|s"})
		}, "no input"},
		{"a message of no job", func(s *jobtest.Store, q *jobtest.Queue) {
			j := create(s, plain)
			stageAndCommit(ctx, s, job.Input, j.ID)
			_ = q.Send(ctx, job.Message{JobID: j.ID})
		}, "without job or owner"},
		{"a greedy receiver", func(_ *jobtest.Store, q *jobtest.Queue) {
			q.Wait = 0
			_, _ = q.Receive(ctx, 11, time.Minute)
		}, "a limit of 11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := &victim{TB: t}
			s := jobtest.NewStore(v)
			tt.act(s, jobtest.NewQueue(v, s))
			if got := v.end(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("the test was broken with %q, want %q", got, tt.want)
			}
		})
	}
}

func stageAndCommit(ctx context.Context, s *jobtest.Store, section job.Section, id job.ID) {
	g, err := s.Stage(ctx, section, id, "image/png", strings.NewReader("x"))
	if err == nil {
		_, _ = g.Commit(ctx, job.Condition{})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := jobtest.NewStore(t)
	broken := errors.New("broken")
	exists := func(id job.ID) bool {
		_, err := s.Load(t.Context(), id)
		return err == nil
	}
	for _, tt := range []struct {
		when jobtest.When
		want bool
	}{{jobtest.Before, false}, {jobtest.After, true}} {
		remove := s.Inject(jobtest.Fault{Op: jobtest.OpCreate, Call: 2, When: tt.when, Err: broken})
		for call := 1; call <= 3; call++ {
			j := jobtest.NewJob()
			_, err := s.Create(t.Context(), j)
			if struck := call == 2; (err == broken) != struck || exists(j.ID) != (tt.want || !struck) {
				t.Errorf("when %d, call %d: got error %v, document exists: %v", tt.when, call, err, exists(j.ID))
			}
		}
		remove()
	}
	remove := s.Inject(jobtest.Fault{Op: jobtest.OpStage, When: jobtest.After})
	for range 2 {
		if _, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", strings.NewReader("x")); job.KindOf(err) != job.Unavailable {
			t.Errorf("got %v of every call that must fail, want it unavailable", err)
		}
	}
	remove()
	stageAndCommit(t.Context(), s, job.Input, job.NewID())
	if got := s.Objects(job.Input); got != 1 {
		t.Errorf("%d inputs are there, want the one after the fault was taken back", got)
	}
	if got := s.Calls(jobtest.OpCreate); got != 6 {
		t.Errorf("counted %d calls of Create, want 6", got)
	}
}

func TestBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := jobtest.NewStore(t)
		s.Inject(jobtest.Fault{Op: jobtest.OpLoad, When: jobtest.Block})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.Load(ctx, job.NewID()); job.KindOf(err) != job.Canceled || ctx.Err() == nil {
			t.Errorf("got %v before the context ended", err)
		}
	})
}

// TestQueueTime tests the twin with times that are too long for a test on the wire.
func TestQueueTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := jobtest.NewQueue(t, nil)
		begin := time.Now()
		if got, err := q.Receive(t.Context(), 1, time.Minute); len(got) != 0 || err != nil || time.Since(begin) != 20*time.Second {
			t.Errorf("got %v, %v after %v; want nothing after 20 s", got, err, time.Since(begin))
		}
		if err := q.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: "o|s"}); err != nil {
			t.Fatal(err)
		}
		first, err := q.Receive(t.Context(), 1, 5*time.Second)
		if err != nil || len(first) != 1 {
			t.Fatalf("got %v, %v; want one message", first, err)
		}
		begin = time.Now()
		second, err := q.Receive(t.Context(), 1, time.Hour)
		if err != nil || len(second) != 1 || time.Since(begin) != 5*time.Second {
			t.Fatalf("got %v, %v after %v; want the message again after 5 s", second, err, time.Since(begin))
		}
		if err := q.Extend(t.Context(), first[0].Receipt, time.Hour); job.KindOf(err) != job.NotFound {
			t.Errorf("Extend with the first receipt: got %v, want NotFound", err)
		}
		if err := q.Delete(t.Context(), first[0].Receipt); err != nil || q.Len() != 1 {
			t.Errorf("Delete with the first receipt: got %v, %d messages left; want the message left", err, q.Len())
		}
		q.Advance(time.Hour)
		if third, err := q.Receive(t.Context(), 1, time.Hour); err != nil || len(third) != 1 || third[0].Received != 3 {
			t.Errorf("got %v, %v; want the message a third time", third, err)
		}
	})
}

// backAgain redrives a failed job, as an operator does.
func backAgain(j *job.Job) {
	if j.BilledAt.IsZero() {
		j.BilledAt = j.UpdatedAt
	}
	j.Status, j.Message, j.Attempts, j.Worker = job.Pending, "", 0, ""
	j.LeaseUntil, j.StartedAt, j.EndedAt, j.RedrivenAt = time.Time{}, time.Time{}, time.Time{}, time.Now()
}
