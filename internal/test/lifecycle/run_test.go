package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

func (s *system) receive(t *testing.T) job.Delivery {
	t.Helper()
	ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
	if err != nil || len(ds) != 1 {
		t.Fatalf("received %v, %v", ds, err)
	}
	return ds[0]
}

func TestJobRunsToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	out := s.runner.Run(t.Context(), s.receive(t))
	if out.Verdict != worker.Done || !out.Ended || out.Err != nil {
		t.Fatalf("outcome is %+v", out)
	}
	d := s.document(t, j.ID)
	if d.Status != job.Completed || d.Attempts != 1 || d.Worker != "" || !d.LeaseUntil.IsZero() || d.EndedAt.IsZero() || d.Output.SizeBytes != 7 || d.Output.Tag == "" {
		t.Errorf("document is %+v", d)
	}
	if got := s.output(t, j.ID); got != "img one" {
		t.Errorf("output is %q", got)
	}
	if !s.ledger.has(j.ID) {
		t.Error("it was not billed")
	}
}

// TestEveryFailureOfARun fails each call of a worker, before and after it took effect,
// once, twice in a row and for a while, and then lets things go on: the job completes,
// with the right output, and is billed once.
func TestEveryFailureOfARun(t *testing.T) {
	t.Parallel()
	ops := []jobtest.Op{jobtest.OpLoad, jobtest.OpSwap, jobtest.OpOpen, jobtest.OpStage, jobtest.OpCommit, jobtest.OpReceive, jobtest.OpExtend, jobtest.OpDelete}
	for _, op := range ops {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			if when == jobtest.After && (op == jobtest.OpStage || op == jobtest.OpOpen) {
				continue // a read or a staging whose answer is lost is one that failed
			}
			for call := 1; call <= 4; call++ {
				for _, again := range []int{0, 1} {
					t.Run(fmt.Sprintf("%s/%d/%d/%d", op, when, call, again), func(t *testing.T) {
						t.Parallel()
						s := newSystem(t)
						j := s.submit(t, "IMG one")
						var mend []func()
						for i := range 1 + again {
							f := jobtest.Fault{Op: op, Call: call + i, When: when}
							mend = append(mend, s.store.Inject(f), s.queue.Inject(f))
						}
						s.drain(t)
						for _, m := range mend {
							m()
						}
						d := s.document(t, j.ID)
						if d.Status != job.Completed {
							t.Fatalf("it ends as %s: %s", d.Status, d.Message)
						}
						if got := s.output(t, j.ID); got != "img one" {
							t.Errorf("output is %q", got)
						}
						if !s.ledger.has(j.ID) {
							t.Error("it was not billed")
						}
					})
				}
			}
		}
	}
}

func TestVerdictOfEachFailure(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err      error
		attempts int // in the end
		message  string
	}{
		"never: invalid":       {job.Errorf(job.Invalid, "no such colour"), 1, "no such colour"},
		"never: unsupported":   {job.Errorf(job.Unsupported, "not a JPEG"), 1, "not a JPEG"},
		"never: too large":     {job.Errorf(job.TooLarge, "too many pixels"), 1, "too many pixels"},
		"later, then given up": {job.Errorf(job.Unavailable, "model is loading"), 3, "given up after 3 attempts: model is loading"},
		"an unworded error":    {errors.New("secret detail"), 3, "given up after 3 attempts: processing failed"},
	}
	for name, tt := range tests {
		for _, where := range []string{"in Process", "while the result is read"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
					if where == "in Process" {
						return nil, tt.err
					}
					return &job.Result{Body: io.NopCloser(io.MultiReader(strings.NewReader("part"), failing{tt.err}))}, nil
				}
				j := s.submit(t, "IMG one")
				s.drain(t)
				d := s.document(t, j.ID)
				if d.Status != job.Failed || d.Attempts != tt.attempts || d.Message != tt.message {
					t.Errorf("%s after %d attempts: %q", d.Status, d.Attempts, d.Message)
				}
				if !s.ledger.has(j.ID) || s.store.Objects(job.Output) != 0 {
					t.Errorf("billed: %v, %d outputs", s.ledger.has(j.ID), s.store.Objects(job.Output))
				}
			})
		}
	}
}

// TestImpatientRunner repeats at once what failed within a second, and nothing else.
func TestImpatientRunner(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		impatient bool
		err       error
		took      time.Duration
		atOnce    bool
	}{
		"a quick failure":                {true, errors.New("no such module"), 0, true},
		"a slow failure":                 {true, errors.New("no memory"), 2 * time.Second, false},
		"a processor that is busy":       {true, job.Errorf(job.Unavailable, "model is loading"), 0, false},
		"a quick failure of a service's": {false, errors.New("no such module"), 0, false},
	}
	for name, tt := range tests {
		s := newSystem(t)
		now := time.Now()
		s.runner.Impatient, s.runner.Now = tt.impatient, func() time.Time { return now.Add(time.Duration(s.ahead.Load())) }
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			s.ahead.Add(int64(tt.took))
			return nil, tt.err
		}
		s.submit(t, "IMG one")
		if out := s.runner.Run(t.Context(), s.receive(t)); out.Verdict != worker.Later || (out.After == 0) != tt.atOnce {
			t.Errorf("%s: %s after %s", name, out.Verdict, out.After)
		}
	}
}

// TestMessagesAreSentences reads a job's message between two attempts, and after the last
// one.
func TestMessagesAreSentences(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]string{2: "the model is loading; it will be tried again", 1: "given up after 1 attempt: the model is loading"} {
		s := newSystem(t)
		s.runner.MaxAttempts = attempts
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			return nil, job.Errorf(job.Unavailable, "the model is loading")
		}
		j := s.submit(t, "IMG one")
		s.runner.Run(t.Context(), s.receive(t))
		if d := s.document(t, j.ID); d.Message != want {
			t.Errorf("got %q, want %q", d.Message, want)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestPanickingProcessorFailsItsJobAlone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.processor.do = func(context.Context, job.Task) (*job.Result, error) { panic("boom") }
	j := s.submit(t, "IMG one")
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Failed || d.Message != "given up after 3 attempts: processing crashed" {
		t.Errorf("%s: %q", d.Status, d.Message)
	}
}

func TestLostWorkersUseUpTheAttempts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	// A worker that is killed leaves its claim behind, and so it goes three times.
	for range 3 {
		s.advance(2 * time.Minute)
		d := s.receive(t)
		doc := s.document(t, j.ID)
		doc.Status, doc.Worker, doc.Attempts = job.Processing, "killed", doc.Attempts+1
		doc.LeaseUntil, doc.Revision = s.runner.Now().Add(time.Minute), fmt.Sprint("r", doc.Attempts)
		if _, err := s.store.Swap(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		out := s.runner.Run(t.Context(), d)
		if out.Verdict != worker.Later || out.After <= 50*time.Second {
			t.Fatalf("while the lease runs the outcome is %+v", out)
		}
	}
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Failed || !strings.Contains(d.Message, "given up after 3 attempts") {
		t.Errorf("%s: %q", d.Status, d.Message)
	}
}

func TestStopHandsTheJobBackAndCountsNoAttempt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	started := make(chan struct{})
	s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	j := s.submit(t, "IMG one")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-started; cancel(job.ErrStopping) }()
	d := s.receive(t)
	out := s.runner.Run(ctx, d)
	if out.Verdict != worker.Later || out.After != 0 {
		t.Errorf("outcome is %+v", out)
	}
	doc := s.document(t, j.ID)
	if doc.Status != job.Processing || doc.Attempts != 0 || doc.LeaseUntil.After(s.runner.Now()) {
		t.Errorf("document is %+v", doc)
	}
	if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
		t.Fatal(err)
	}
	s.processor.do = nil
	next := s.runner.Run(t.Context(), s.receive(t)) // at once, without waiting
	if next.Verdict != worker.Done || next.Job.Attempts != 1 {
		t.Errorf("then the outcome is %+v", next)
	}
	s.drain(t)
}

// TestHostWithTooLittleTime runs a job that needs more time than its worker ever has: it
// is tried again, and fails when its attempts are used up.
func TestHostWithTooLittleTime(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	started := make(chan struct{})
	s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	j := s.submit(t, "IMG one")
	for attempt := 1; attempt <= s.runner.MaxAttempts; attempt++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-started; cancel(worker.ErrOutOfTime) }()
		d := s.receive(t)
		out := s.runner.Run(ctx, d)
		if last := attempt == s.runner.MaxAttempts; out.Job.Attempts != attempt || (out.Verdict == worker.Never) != last || (out.After > 0) == last {
			t.Errorf("attempt %d: %+v", attempt, out)
		}
		out.After = 0 // not to be waited for
		if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
			t.Fatal(err)
		}
	}
	if d := s.document(t, j.ID); d.Status != job.Failed || !strings.Contains(d.Message, "longer than a worker may run") {
		t.Errorf("%s: %q", d.Status, d.Message)
	}
}

func TestProcessingHasATimeLimit(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.runner.TimeLimit = time.Millisecond
	s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	j := s.submit(t, "IMG one")
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Failed || !strings.Contains(d.Message, "longer than 1ms") {
		t.Errorf("%s: %q", d.Status, d.Message)
	}
}

// TestProcessorThatDoesNotReturnIsAbandoned checks that the end of its time frees the worker
// of a processor that ignores it, and that such a processor can publish nothing later.
func TestProcessorThatDoesNotReturnIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		let := make(chan struct{})
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			<-let
			return result("late"), nil
		}
		j := s.submit(t, "IMG one")
		begun := time.Now()
		out := s.runner.Run(t.Context(), s.receive(t))
		if took := time.Since(begun); took != s.runner.TimeLimit+worker.AbandonAfter || !out.Abandoned {
			t.Errorf("after %v: abandoned %v", took, out.Abandoned)
		}
		if d := s.document(t, j.ID); d.Status != job.Processing || d.Attempts != 1 || time.Now().Before(d.LeaseUntil) || !strings.Contains(d.Message, "longer than 1m") {
			t.Errorf("%s after %d attempts until %v: %q", d.Status, d.Attempts, d.LeaseUntil, d.Message)
		}
		close(let)
		synctest.Wait()
		if n := s.store.Objects(job.Output); n != 0 {
			t.Errorf("%d outputs", n)
		}
	})
}

// TestLeaseIsRenewedWhileTheWorkGoesOn checks that no other worker gets a job in
// progress, also where the queue does not answer.
func TestLeaseIsRenewedWhileTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	for _, mute := range []bool{false, true} {
		t.Run(fmt.Sprint("mute queue ", mute), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSystem(t)
				s.runner.Lease = 3 * time.Second
				if mute {
					s.queue.Inject(jobtest.Fault{Op: jobtest.OpExtend, When: jobtest.Block})
				}
				s.processor.do = func(_ context.Context, task job.Task) (*job.Result, error) {
					for range 20 {
						time.Sleep(500 * time.Millisecond)
						if d := s.document(t, task.ID); !time.Now().Before(d.LeaseUntil) {
							t.Error("the lease is over")
						}
					}
					return result("img one"), nil
				}
				j := s.submit(t, "IMG one")
				before := s.store.Calls(jobtest.OpSwap)
				out := s.runner.Run(t.Context(), s.receive(t))
				if d := s.document(t, j.ID); out.Verdict != worker.Done || d.Status != job.Completed || d.Attempts != 1 {
					t.Errorf("%s after %d attempts: %s", d.Status, d.Attempts, d.Message)
				}
				// The claim, a renewal in each second or, with the queue mute, in two, and the end.
				if n := s.store.Calls(jobtest.OpSwap) - before; n < 6 || n > 12 {
					t.Errorf("the document was swapped %d times", n)
				}
			})
		})
	}
}

// TestStorageThatFailsCostsNoAttempt has storage fail at objects for longer than attempts
// would last, while documents can be written: every job goes on by itself afterwards.
func TestStorageThatFailsCostsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpOpen, jobtest.OpStage, jobtest.OpCommit} {
		for _, kind := range []job.Kind{job.Unavailable, job.Misconfigured, job.Exhausted} {
			t.Run(fmt.Sprint(op, " ", kind), func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				j := s.submit(t, "IMG one")
				mend := s.store.Inject(jobtest.Fault{Op: op, Err: job.Errorf(kind, "an outage")})
				for range 5 {
					d := s.receive(t)
					out := s.runner.Run(t.Context(), d)
					if out.Verdict != worker.Later || out.After > 16*time.Second || out.Err == nil {
						t.Errorf("outcome is %+v", out)
					}
					if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
						t.Fatal(err)
					}
					s.advance(20 * time.Second)
				}
				mend()
				s.drain(t)
				if d := s.document(t, j.ID); d.Status != job.Completed || d.Attempts != 1 || d.Message != "" {
					t.Errorf("%s after %d attempts: %s", d.Status, d.Attempts, d.Message)
				}
				if rec := s.record(t, j.ID); rec.Attempts != 1 {
					t.Errorf("billed %+v", rec)
				}
			})
		}
	}
}

// TestLostLeaseDiscardsTheWork lets a second worker take the job while the first
// sleeps with its result in hand; the first one's result must never be seen.
func TestLostLeaseDiscardsTheWork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		when       string
		conditions bool // of the store; without any, each claim has an output of its own
	}{
		{"before its output is written", true}, {"after its output is written", true},
		{"before its output is written", false}, {"after its output is written", false},
	} {
		when := tt.when
		t.Run(fmt.Sprintf("%s, conditions %v", when, tt.conditions), func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.runner.Lease = time.Hour // it renews nothing in this test
			second := s.newRunner("worker-2")
			s.store.IgnoreConditions, s.runner.OwnOutputs, second.OwnOutputs = !tt.conditions, !tt.conditions, !tt.conditions
			j := s.submit(t, "IMG one")
			first := s.receive(t)
			takeOver := func() {
				s.advance(2 * time.Hour)
				d := s.receive(t)
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) { return result("the second's"), nil }
				out := second.Run(t.Context(), d)
				if out.Verdict != worker.Done || out.Job.Attempts != 2 {
					t.Errorf("second's outcome is %+v", out)
				}
				if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
					t.Error(err)
				}
			}
			if when == "before its output is written" {
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) { takeOver(); return result("the first's"), nil }
			} else {
				// The first's completion is the Swap after its claim; the second comes between.
				s.processor.do = func(context.Context, job.Task) (*job.Result, error) { return result("the first's"), nil }
				var once sync.Once
				now := s.runner.Now
				s.runner.Now = func() time.Time {
					if s.store.Objects(job.Output) > 0 {
						once.Do(takeOver)
					}
					return now()
				}
			}
			out := s.runner.Run(t.Context(), first)
			if out.Ended {
				t.Errorf("first's outcome is %+v", out)
			}
			if got := s.output(t, j.ID); got != "the second's" {
				t.Errorf("output is %q", got)
			}
			s.drain(t)
			if d := s.document(t, j.ID); d.Status != job.Completed || !s.ledger.has(j.ID) {
				t.Errorf("%s, billed: %v", d.Status, s.ledger.has(j.ID))
			}
			if n := s.store.Objects(job.Output); n != 1 {
				t.Errorf("%d outputs are in storage, want the second's alone", n)
			}
		})
	}
}

func TestTwoWorkersOnOneJobGiveOneResult(t *testing.T) {
	t.Parallel()
	for range 30 {
		s := newSystem(t)
		j := s.submit(t, "IMG one")
		// The message was sent twice: its first receipt was lost.
		if err := s.queue.Send(t.Context(), job.Message{JobID: j.ID, Owner: j.Owner}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var ended [2]bool
		runners := []*worker.Runner{s.runner, s.newRunner("worker-2")}
		for i, r := range runners {
			d := s.receive(t)
			wg.Go(func() { ended[i] = r.Run(t.Context(), d).Ended })
		}
		wg.Wait()
		if ended[0] == ended[1] {
			t.Fatalf("ended by: %v", ended)
		}
		if n := s.processor.calls.Load(); n != 1 {
			t.Fatalf("processed %d times", n)
		}
		s.drain(t)
	}
}

func TestMessagesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.queue.PutRaw("hello")
	if out := s.runner.Run(t.Context(), s.receive(t)); out.Verdict != worker.Never || out.Err == nil {
		t.Errorf("foreign message: %+v", out)
	}
	if out := s.runner.Run(t.Context(), job.Delivery{Message: job.Message{JobID: job.NewID()}}); out.Verdict != worker.Done {
		t.Errorf("deleted job: %+v", out)
	}
	j := s.submit(t, "IMG one")
	s.store.PutRaw(j.ID, []byte("{"))
	d := s.receive(t)
	d = s.lastDelivery(t, d)
	if out := s.runner.Run(t.Context(), d); out.Verdict != worker.Later || job.KindOf(out.Err) != job.Corrupt {
		t.Errorf("corrupt document: %+v", out)
	}
}

// lastDelivery passes over messages that an earlier part of a test left behind.
func (s *system) lastDelivery(t *testing.T, d job.Delivery) job.Delivery {
	t.Helper()
	for d.Malformed != "" {
		d = s.receive(t)
	}
	return d
}

func TestEndedJobIsBilledByTheNextDeliveryAtTheLatest(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.ledger.fail = 2
	j := s.submit(t, "IMG one")
	s.drain(t)
	if !s.ledger.has(j.ID) || s.processor.calls.Load() != 1 {
		t.Errorf("billed: %v, processed %d times", s.ledger.has(j.ID), s.processor.calls.Load())
	}
}

func TestInputThatIsGoneFailsTheJob(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	if err := s.store.Remove(t.Context(), job.Input, j.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Failed || !strings.Contains(d.Message, "no longer in storage") {
		t.Errorf("%s: %q", d.Status, d.Message)
	}
}

func TestResultIsWhatItsBytesAre(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{"IMG a picture": "image/png", "something else": "application/octet-stream", "": "application/octet-stream"} {
		s := newSystem(t)
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			return &job.Result{Body: io.NopCloser(strings.NewReader(body))}, nil
		}
		j := s.submit(t, "IMG one")
		s.drain(t)
		if d := s.document(t, j.ID); d.Output == nil || d.Output.ContentType != want {
			t.Errorf("%q becomes %+v", body, d.Output)
		}
		if got := s.output(t, j.ID); got != body {
			t.Errorf("%q came back as %q", body, got)
		}
	}
}
