package jobtest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"claimcheck.example/internal/job"
)

// OutboxFixture is an outbox, with the documents and the queue that it writes to.
type OutboxFixture struct {
	Outbox    job.Outbox
	Documents job.Documents
	Queue     job.Queue
}

// TestOutbox tests an implementation of job.Outbox against the comments on the interface.
// Each subtest gets a fixture of its own.
func TestOutbox(t *testing.T, open func(t *testing.T) OutboxFixture) {
	tests := map[string]func(*testing.T, OutboxFixture){
		"a job is created and its message is sent":      testCreateAndSend,
		"a job that exists gets no message":             testSendNothing,
		"one of racing creates sends its message":       testRacingOutbox,
		"an ended context is Canceled and does nothing": testOutboxCanceled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func messageFor(j *job.Job) job.Message {
	return job.Message{JobID: j.ID, Owner: j.Owner, Trace: map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
}

func testCreateAndSend(t *testing.T, f OutboxFixture) {
	j := NewJob()
	version, err := f.Outbox.CreateAndSend(t.Context(), j, messageFor(j))
	must(t, err)
	got, err := f.Documents.Load(t.Context(), j.ID)
	must(t, err)
	if got.Version != version || got.Revision != j.Revision {
		t.Errorf("got version %q and revision %q, want %q and %q", got.Version, got.Revision, version, j.Revision)
	}
	d := receive(t, f.Queue, hidden)
	if d.JobID != j.ID || d.Trace["traceparent"] != messageFor(j).Trace["traceparent"] {
		t.Errorf("got %+v, want the message of job %s with its trace", d, j.ID)
	}
	receiveNone(t, f.Queue)
}

func testSendNothing(t *testing.T, f OutboxFixture) {
	j := NewJob()
	first, err := f.Documents.Create(t.Context(), j)
	must(t, err)
	again, err := f.Outbox.CreateAndSend(t.Context(), j, messageFor(j)) // the write whose answer was lost
	if err != nil || again != first {
		t.Errorf("the same write: got %q, %v; want version %q", again, err, first)
	}
	other := *j
	other.Revision = "another"
	_, err = f.Outbox.CreateAndSend(t.Context(), &other, messageFor(j))
	wantKind(t, err, job.Conflict)
	receiveNone(t, f.Queue)
}

func testRacingOutbox(t *testing.T, f OutboxFixture) {
	const racers = 8
	j := NewJob()
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			mine := *j
			mine.Revision = fmt.Sprint("racer ", i)
			_, errs[i] = f.Outbox.CreateAndSend(t.Context(), &mine, messageFor(j))
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantKind(t, err, job.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d creates succeeded, want 1", won, racers)
	}
	receive(t, f.Queue, hidden)
	receiveNone(t, f.Queue)
}

func testOutboxCanceled(t *testing.T, f OutboxFixture) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	j := NewJob()
	_, err := f.Outbox.CreateAndSend(ended, j, messageFor(j))
	wantKind(t, err, job.Canceled)
	_, err = f.Documents.Load(t.Context(), j.ID)
	wantKind(t, err, job.NotFound)
	receiveNone(t, f.Queue)
}
