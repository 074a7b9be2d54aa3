package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

func TestSubmitWritesThreeTimesAndSendsOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	for op, want := range map[jobtest.Op]int{
		jobtest.OpCreate: 1, jobtest.OpCommit: 1, jobtest.OpEnlist: 1, jobtest.OpSend: 1,
		jobtest.OpLoad: 0, jobtest.OpSwap: 0, jobtest.OpStat: 0, jobtest.OpOpen: 0,
	} {
		if got := s.store.Calls(op) + s.queue.Calls(op); got != want {
			t.Errorf("%s was called %d times, want %d", op, got, want)
		}
	}
	d := s.document(t, j.ID)
	if d.Status != job.Pending || d.Owner != "https://id.example|alice" || d.Input.SizeBytes != 7 || d.Input.ContentType != "image/png" || len(d.Input.SHA256) != 64 {
		t.Errorf("document is %+v", d)
	}
}

func TestClientsMistakeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   service.Submission
		kind job.Kind
	}{
		"empty":                {submission(""), job.Invalid},
		"no image":             {submission("hello"), job.Unsupported},
		"too many bytes":       {submission("IMG" + strings.Repeat("x", 1<<20)), job.TooLarge},
		"too many pixels":      {submission("IMG" + strings.Repeat("P", 1001)), job.TooLarge},
		"not with it":          {submission("IMG" + strings.Repeat("P", 13)), job.TooLarge},
		"broken off":           {service.Submission{Image: io.MultiReader(strings.NewReader("IMG"), iotest.ErrReader(io.ErrUnexpectedEOF))}, job.Invalid},
		"broken off early":     {service.Submission{Image: iotest.ErrReader(io.ErrUnexpectedEOF)}, job.Invalid},
		"bad params":           {service.Submission{Image: strings.NewReader("IMG"), Rest: func() (json.RawMessage, error) { return []byte(`{"bad":1}`), nil }}, job.Invalid},
		"bad rest of form":     {service.Submission{Image: strings.NewReader("IMG"), Rest: func() (json.RawMessage, error) { return nil, job.Errorf(job.Invalid, "two images") }}, job.Invalid},
		"bad params, underKey": {service.Submission{Key: "k", Image: strings.NewReader("IMG"), Rest: func() (json.RawMessage, error) { return []byte(`{"bad":1}`), nil }}, job.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j, err := s.post(t.Context(), alice, tt.in)
			wantKind(t, err, tt.kind)
			if j != nil {
				t.Errorf("the answer has a job: %+v", j)
			}
			if n, m, q := s.store.Documents(), s.store.Objects(job.Input), s.queue.Len(); n+m+q != 0 {
				t.Errorf("%d documents, %d inputs, %d messages are left", n, m, q)
			}
		})
	}
}

func TestDeniedSubmitReadsNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.monitor.deny = func(q job.Access) (bool, bool) { return q.Action == job.ActionSubmit, true }
	_, err := s.post(t.Context(), alice, service.Submission{Image: iotest.ErrReader(errors.New("was read"))})
	wantKind(t, err, job.Denied)
}

// TestEveryFailureOfASubmit fails each step of a submit, before and after it took
// effect, once and for good, and looks at what is left: a job that was accepted is
// carried out, one that was refused is failed and says why, and nothing else exists.
func TestEveryFailureOfASubmit(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpStage, jobtest.OpCommit, jobtest.OpEnlist, jobtest.OpCreate, jobtest.OpSend, jobtest.OpSwap, jobtest.OpLoad} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			if op == jobtest.OpStage && when == jobtest.After {
				continue // who gets no Staged cannot end it, either
			}
			for _, call := range []int{0, 1, 2} {
				for _, key := range []string{"", "key"} {
					// What follows the first failure may fail, too.
					for _, also := range []jobtest.Op{"", jobtest.OpCreate, jobtest.OpSwap} {
						t.Run(fmt.Sprintf("%s/%d/%d/%s/%s", op, when, call, key, also), func(t *testing.T) {
							t.Parallel()
							failSubmit(t, key, jobtest.Fault{Op: op, Call: call, When: when}, also)
						})
					}
				}
			}
		}
	}
}

func failSubmit(t *testing.T, key string, fault jobtest.Fault, also jobtest.Op) {
	s := newSystem(t)
	faults := func(f jobtest.Fault) func() {
		a, b := s.store.Inject(f), s.queue.Inject(f)
		return func() { a(); b() }
	}
	mend := []func(){faults(fault)}
	if also != "" {
		mend = append(mend, faults(jobtest.Fault{Op: also, When: jobtest.Before}))
	}
	in := submission("IMG one")
	in.Key = key
	j, err := s.post(t.Context(), alice, in)
	for _, m := range mend {
		m()
	}
	if err != nil {
		wantKind(t, err, job.Unavailable)
		if j == nil || j.ID == "" {
			t.Fatal("a refusal that names no job")
		}
	}
	accepted := err == nil
	if got := s.list(t, service.ListQuery{Limit: 1}); accepted && !slices.Equal(got, []job.ID{j.ID}) || !accepted && also == "" && got != nil {
		t.Errorf("accepted=%v, yet the list has %v", accepted, got)
	}
	s.drain(t)
	switch d, lerr := s.store.Load(t.Context(), j.ID); {
	case lerr != nil:
		if accepted || job.KindOf(lerr) != job.NotFound {
			t.Fatalf("accepted=%v, yet the document: %v", accepted, lerr)
		}
	case accepted:
		if d.Status != job.Completed {
			t.Errorf("accepted, yet it ends as %s: %s", d.Status, d.Message)
		}
	case d.Status == job.Failed && d.Message == "":
		t.Error("failed without a message")
	case d.Status == job.Pending && also == "":
		t.Error("refused, yet the document stays pending although the store could take it")
	}
	if key == "" {
		return
	}
	// The client follows the advice: it submits again under the same key.
	in = submission("IMG one")
	in.Key = key
	again, err := s.post(t.Context(), alice, in)
	if err != nil || again.ID != j.ID {
		t.Fatalf("repeat gives %v, %v; want job %s", again, err, j.ID)
	}
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Completed {
		t.Errorf("after the repeat it is %s: %s", d.Status, d.Message)
	}
	if n := s.store.Documents(); n != 1 {
		t.Errorf("%d jobs under one key", n)
	}
	if got := s.list(t, service.ListQuery{Limit: 1}); !slices.Equal(got, []job.ID{j.ID}) {
		t.Errorf("the list has %v", got)
	}
}

func TestSubmitRunsToItsEndWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx, leave := context.WithCancel(t.Context())
	j, err := s.post(ctx, alice, service.Submission{
		Image: strings.NewReader("IMG"),
		Rest:  func() (json.RawMessage, error) { leave(); return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	if d := s.document(t, j.ID); d.Status != job.Completed {
		t.Errorf("it is %s", d.Status)
	}
}

func TestClientThatLeavesHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx, leave := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		w.Write([]byte("IMG half"))
		leave()
		w.CloseWithError(context.Canceled)
	}()
	_, err := s.post(ctx, alice, service.Submission{Image: r})
	if err == nil {
		t.Fatal("accepted")
	}
	if s.store.Documents()+s.store.Objects(job.Input)+s.queue.Len() != 0 {
		t.Error("something is left")
	}
}

func TestKeyNamesOneJobForEver(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	submit := func(who job.Caller, key, image, params string) (*job.Job, error) {
		return s.post(t.Context(), who, service.Submission{
			Image: strings.NewReader(image), Key: key,
			Rest: func() (json.RawMessage, error) {
				if params == "" {
					return nil, nil
				}
				return json.RawMessage(params), nil
			},
		})
	}
	first, err := submit(alice, "k", "IMG one", `{"a":1,"b":2}`)
	if err != nil {
		t.Fatal(err)
	}
	same, err := submit(alice, "k", "IMG one", ` {"b":2, "a":1}`)
	if err != nil || same.ID != first.ID {
		t.Errorf("repeat gives %v, %v", same, err)
	}
	s.drain(t)
	if late, err := submit(alice, "k", "IMG one", `{"a":1,"b":2}`); err != nil || late.ID != first.ID || late.Status != job.Completed {
		t.Errorf("late repeat gives %v, %v", late, err)
	}
	if _, err := submit(alice, "k", "IMG two", `{"a":1,"b":2}`); job.KindOf(err) != job.Mismatch {
		t.Errorf("another image: %v", err)
	}
	if _, err := submit(alice, "k", "IMG one", ""); job.KindOf(err) != job.Mismatch {
		t.Errorf("other params: %v", err)
	}
	bob := job.Caller{Principal: job.Principal{Issuer: "https://id.example", Subject: "bob"}}
	if other, err := submit(bob, "k", "IMG two", ""); err != nil || other.ID == first.ID {
		t.Errorf("another owner's key gives %v, %v", other, err)
	}
	s.drain(t)
	if got := s.processor.calls.Load(); got != 2 {
		t.Errorf("%d images were processed, want 2", got)
	}
}

func TestConcurrentSubmitsUnderOneKeyMakeOneJob(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var wg sync.WaitGroup
	ids := make([]job.ID, 16)
	for i := range ids {
		wg.Go(func() {
			in := submission("IMG one")
			in.Key = "k"
			j, err := s.post(t.Context(), alice, in)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = j.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two jobs: %v", ids)
		}
	}
	s.drain(t)
	if s.store.Documents() != 1 || s.processor.calls.Load() != 1 {
		t.Errorf("%d documents, %d processed", s.store.Documents(), s.processor.calls.Load())
	}
}

func TestConcurrentSubmitsOfDifferentImagesUnderOneKey(t *testing.T) {
	t.Parallel()
	for range 50 {
		s := newSystem(t)
		var wg sync.WaitGroup
		var won [2]error
		images := [2]string{"IMG one", "IMG the other"}
		for i := range images {
			wg.Go(func() {
				in := submission(images[i])
				in.Key = "k"
				_, won[i] = s.post(t.Context(), alice, in)
			})
		}
		wg.Wait()
		s.drain(t)
		winner := 0
		if won[0] != nil {
			winner = 1
		}
		if won[winner] != nil || job.KindOf(won[1-winner]) != job.Mismatch {
			t.Fatalf("want one winner and one mismatch, got %v", won)
		}
		id := job.IdempotencyID(alice.Owner(), "k")
		if got := s.output(t, id); got != strings.ToLower(images[winner]) {
			t.Fatalf("the winner's image is %q, the output %q", images[winner], got)
		}
	}
}

func TestPreviewerSeesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	var seen view
	s := newSystem(t)
	service := service.New(service.Config{
		Store: s.store, Queue: s.queue, Monitor: s.monitor, Rules: rules{}, Inspector: inspector{}, Previewer: &seen, Now: s.runner.Now, Logger: s.runner.Logger,
		Limits: service.Limits{MaxBytes: 1 << 20, InlineBytes: 1 << 20, MaxPixels: 1000, Retention: 1, Settle: 1e9},
	})
	out, err := service.Submit(t.Context(), alice, submission("IMG one"))
	j := out.Job
	if err != nil {
		t.Fatal(err)
	}
	if seen.String() != "IMG one" || seen.accepted != j.ID || seen.closed != 1 {
		t.Errorf("the previewer saw %q, %v, %d", seen.String(), seen.accepted, seen.closed)
	}
}

type view struct {
	bytes.Buffer
	accepted job.ID
	closed   int
}

func (v *view) Watch() job.Preview  { return v }
func (v *view) Accepted(j *job.Job) { v.accepted = j.ID }
func (v *view) Close()              { v.closed++ }
