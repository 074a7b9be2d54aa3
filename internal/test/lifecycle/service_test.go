package lifecycle_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

func whole(*job.Job) job.OpenOptions { return job.OpenOptions{} }

func TestStatusOfAJobThatNothingWillEnd(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	tests := map[string]struct {
		age    time.Duration
		change func(*job.Job)
		want   job.Status
	}{
		"pending, its message still lives":  {3 * day, func(*job.Job) {}, job.Pending},
		"pending, its message has expired":  {5 * day, func(*job.Job) {}, job.Failed},
		"processing, alive":                 {5 * day, func(j *job.Job) { j.Status, j.LeaseUntil = job.Processing, j.CreatedAt.Add(6*day) }, job.Processing},
		"processing, lost, delivered again": {time.Hour, func(j *job.Job) { j.Status, j.LeaseUntil = job.Processing, j.CreatedAt }, job.Processing},
		"processing, lost for good":         {5 * day, func(j *job.Job) { j.Status, j.LeaseUntil = job.Processing, j.CreatedAt }, job.Failed},
		"completed is final":                {9 * day, func(j *job.Job) { j.Status, j.Output = job.Completed, &job.Media{} }, job.Completed},
		"upload still possible":             {time.Hour, func(j *job.Job) { j.UploadUntil = j.CreatedAt.Add(2 * time.Hour) }, job.Pending},
		"upload never came":                 {time.Hour, func(j *job.Job) { j.UploadUntil = j.CreatedAt.Add(time.Minute) }, job.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := jobtest.NewJob()
			j.Owner = alice.Owner()
			tt.change(j)
			s.store.PutRaw(j.ID, encode(t, j))
			s.advance(tt.age)
			got, err := s.service.Status(t.Context(), alice, j.ID)
			if err != nil || got.Status != tt.want {
				t.Fatalf("got %v, %v; want %s", got, err, tt.want)
			}
			if got.Status == job.Failed && !strings.Contains(got.Message, "submit it again") {
				t.Errorf("message %q does not say what to do", got.Message)
			}
		})
	}
}

func TestOutputBeforeTheEndNamesTheJob(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	got, _, err := s.service.Output(t.Context(), alice, j.ID, whole)
	wantKind(t, err, job.NotFound)
	if got == nil || got.Status != job.Pending {
		t.Errorf("beside the error there is %+v", got)
	}
	s.drain(t)
	if err := s.store.Remove(t.Context(), job.Output, j.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.service.Output(t.Context(), alice, j.ID, whole)
	wantKind(t, err, job.NotFound)
}

func TestReadsAreNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submit(t, "IMG one")
	s.drain(t)
	reads := func() int {
		return s.store.Calls(jobtest.OpLoad) + s.store.Calls(jobtest.OpOpen) + s.store.Calls(jobtest.OpStat)
	}
	before := reads()
	if _, err := s.service.Status(t.Context(), alice, j.ID); err != nil {
		t.Fatal(err)
	}
	if n := reads() - before; n != 1 {
		t.Errorf("a status takes %d reads, want 1", n)
	}
	before = reads()
	s.output(t, j.ID)
	if n := reads() - before; n != 2 {
		t.Errorf("an output takes %d reads, want 2", n)
	}
}

// TestReadyAsksBothAtOnce has storage answer only when the queue has been asked: what keeps
// one of them waiting is not laid at the other's door.
func TestReadyAsksBothAtOnce(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := newSystemWith(t, func(c *service.Config) {
		c.Store = slowStore{c.Store, asked}
		c.Queue = seenQueue{c.Queue, asked}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.service.Ready(ctx); err != nil {
		t.Error(err)
	}
}

type slowStore struct {
	job.Store
	asked <-chan struct{}
}

func (s slowStore) Ready(ctx context.Context) error {
	select {
	case <-s.asked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type seenQueue struct {
	job.Queue
	asked chan<- struct{}
}

func (q seenQueue) Ready(context.Context) error {
	close(q.asked)
	return nil
}

// TestEveryMethodAsksTheMonitor calls every exported method of Service under a monitor
// that denies everything. Each must have asked, and none may have done anything.
func TestEveryMethodAsksTheMonitor(t *testing.T) {
	t.Parallel()
	exempt := map[string]string{"Ready": "the platform asks, and it tells nothing of jobs", "WebhookKeys": "anyone may know a public key", "Linked": "the signature of a link is a decision of the monitor", "Draining": "it is about the process, not about jobs"}
	typ := reflect.TypeFor[*service.Service]()
	for m := range typ.Methods() {
		if _, ok := exempt[m.Name]; ok {
			continue
		}
		for _, visible := range []bool{false, true} {
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				j := s.submit(t, "IMG one")
				s.drain(t)
				raw := encode(t, s.document(t, j.ID))
				s.monitor.deny = func(job.Access) (bool, bool) { return true, visible }
				s.monitor.asked.Store(0)
				err := call(t, s.service, m, j.ID)
				if s.monitor.asked.Load() == 0 {
					t.Error("the monitor was not asked")
				}
				if k := job.KindOf(err); k != job.Denied && (visible || k != job.NotFound) {
					t.Errorf("error is %v of kind %v", err, k)
				}
				if string(encode(t, s.document(t, j.ID))) != string(raw) || s.store.Objects(job.Input) != 1 || s.store.Objects(job.Output) != 1 || s.queue.Len() != 0 {
					t.Error("it did something")
				}
			})
		}
	}
}

// call calls a method with the caller, the identifier and otherwise zero arguments, and
// returns its last result.
func call(t *testing.T, s *service.Service, m reflect.Method, id job.ID) error {
	t.Helper()
	args := []reflect.Value{reflect.ValueOf(s)}
	for p := range m.Type.Ins() {
		switch p {
		case reflect.TypeFor[*service.Service]():
		case reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(t.Context()))
		case reflect.TypeFor[job.Caller]():
			args = append(args, reflect.ValueOf(alice))
		case reflect.TypeFor[job.ID]():
			args = append(args, reflect.ValueOf(id))
		case reflect.TypeFor[service.Submission]():
			args = append(args, reflect.ValueOf(submission("IMG two")))
		default:
			args = append(args, reflect.Zero(p))
		}
	}
	results := m.Func.Call(args)
	err, ok := results[len(results)-1].Interface().(error)
	if !ok {
		t.Fatalf("%s returns no error", m.Name)
	}
	return err
}

func encode(t *testing.T, j *job.Job) []byte {
	t.Helper()
	raw, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
