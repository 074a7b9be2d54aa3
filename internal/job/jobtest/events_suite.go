package jobtest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
)

// TestEventLogs tests an implementation of job.EventLogs against the comments on the interface.
func TestEventLogs(t *testing.T, open func(t *testing.T) job.EventLogs) {
	tests := map[string]func(*testing.T, job.EventLogs){
		"Load returns what Save stored":        testEventsKept,
		"Save recognises its own write":        testEventsAgain,
		"Save of another version is Conflict":  testEventsStale,
		"of many writers exactly one wins":     testEventsRace,
		"Erase removes, and again":             testEventsErased,
		"an ended context is Canceled":         testEventsCanceled,
		"a log of the most tries can be saved": testEventsFull,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func newLog() (job.ID, *job.EventLog) {
	id := job.NewID()
	l := &job.EventLog{JobID: id, Revision: revision()}
	l.Begin(string(id)+"_completed", "job.completed")
	return id, l
}

func testEventsKept(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	_, err := s.LoadEvents(t.Context(), id)
	wantKind(t, err, job.NotFound)
	l.NotBefore = time.Now().UTC().Truncate(time.Millisecond)
	l.Add(job.EventTry{Event: l.Event, At: l.NotBefore, Status: 503, Reason: "the receiver answers 503", Seconds: 0.25})
	l.Version, err = s.SaveEvents(t.Context(), id, l)
	must(t, err)
	got, err := s.LoadEvents(t.Context(), id)
	must(t, err)
	if diff := cmp.Diff(l, got); diff != "" {
		t.Errorf("the log differs from what was saved (-saved +loaded):\n%s", diff)
	}
	l.State, l.Revision = job.EventDelivered, revision()
	l.Version, err = s.SaveEvents(t.Context(), id, l)
	must(t, err)
	if got, err = s.LoadEvents(t.Context(), id); err != nil || got.State != job.EventDelivered || got.Version != l.Version {
		t.Errorf("got %+v, %v after the second Save", got, err)
	}
}

func testEventsAgain(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	_, err := s.SaveEvents(t.Context(), id, l)
	must(t, err)
	l.Version, err = s.SaveEvents(t.Context(), id, l) // as after an answer that was lost
	must(t, err)
	next := *l
	next.Tries, next.Revision = 1, revision()
	_, err = s.SaveEvents(t.Context(), id, &next)
	must(t, err)
	_, err = s.SaveEvents(t.Context(), id, &next)
	must(t, err)
}

func testEventsStale(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	version, err := s.SaveEvents(t.Context(), id, l)
	must(t, err)
	second := *l
	second.Revision = revision()
	_, err = s.SaveEvents(t.Context(), id, &second) // as if there were none
	wantKind(t, err, job.Conflict)
	second.Version = version
	_, err = s.SaveEvents(t.Context(), id, &second)
	must(t, err)
	third := *l
	third.Version, third.Revision = version, revision()
	_, err = s.SaveEvents(t.Context(), id, &third)
	wantKind(t, err, job.Conflict)
	gone, l := newLog()
	l.Version = version
	_, err = s.SaveEvents(t.Context(), gone, l)
	wantKind(t, err, job.Conflict)
}

func testEventsRace(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	var won atomic.Int64
	var writers sync.WaitGroup
	for i := range racers {
		writers.Go(func() {
			mine := *l
			mine.Revision, mine.Type = revision(), strconv.Itoa(i)
			_, err := s.SaveEvents(t.Context(), id, &mine)
			switch {
			case err == nil:
				won.Add(1)
			case job.KindOf(err) != job.Conflict:
				t.Errorf("SaveEvents: %v", err)
			}
		})
	}
	writers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won, want 1", won.Load())
	}
}

func testEventsErased(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	_, err := s.SaveEvents(t.Context(), id, l)
	must(t, err)
	must(t, s.EraseEvents(t.Context(), id))
	_, err = s.LoadEvents(t.Context(), id)
	wantKind(t, err, job.NotFound)
	must(t, s.EraseEvents(t.Context(), id))
}

func testEventsCanceled(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	_, err := s.LoadEvents(ended(t), id)
	wantKind(t, err, job.Canceled)
	_, err = s.SaveEvents(ended(t), id, l)
	wantKind(t, err, job.Canceled)
	wantKind(t, s.EraseEvents(ended(t), id), job.Canceled)
}

func testEventsFull(t *testing.T, s job.EventLogs) {
	id, l := newLog()
	for i := range job.MaxEventTries + 3 {
		l.Add(job.EventTry{Event: l.Event, At: time.Now().UTC(), Reason: fmt.Sprint("try ", i)})
	}
	_, err := s.SaveEvents(t.Context(), id, l)
	must(t, err)
	got, err := s.LoadEvents(t.Context(), id)
	must(t, err)
	if n := len(got.History); n != job.MaxEventTries || got.History[n-1].Reason != fmt.Sprint("try ", job.MaxEventTries+2) {
		t.Errorf("the log has %d tries, the last %+v", n, got.History[n-1])
	}
}
