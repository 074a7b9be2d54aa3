package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/webhook"
	"claimcheck.example/internal/worker"
)

// hooked is a submission with a webhook.
func hooked(image string) service.Submission {
	in := submission(image)
	in.Webhook, in.Base = func() string { return hook }, "https://jobs.example"
	return in
}

func (s *system) submitHooked(t *testing.T, image string) *job.Job {
	t.Helper()
	j, err := s.post(t.Context(), alice, hooked(image))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// events is the log of a job.
func (s *system) events(t *testing.T, j *job.Job) *job.EventLog {
	t.Helper()
	l, err := s.store.LoadEvents(t.Context(), s.document(t, j.ID).ObjectID())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// noLies fails the test when something arrived that may not.
func (r *receiver) noLies(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.wrong {
		t.Error(l)
	}
}

func TestWebhookOfEveryEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		run  func(*testing.T, *system) *job.Job
		want string
	}{
		"completed": {func(t *testing.T, s *system) *job.Job { return s.submitHooked(t, "IMG") }, "job.completed"},
		"refused by the processor": {func(t *testing.T, s *system) *job.Job {
			s.processor.do = failAll
			return s.submitHooked(t, "IMG")
		}, "job.failed"},
		"worker lost each time": {func(t *testing.T, s *system) *job.Job {
			s.runner.MaxAttempts = 1
			j := s.submitHooked(t, "IMG")
			ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
			if err != nil || len(ds) != 1 {
				t.Fatal(ds, err)
			}
			lost := jobtest.Claimed(s.document(t, j.ID), "dead")
			lost.StartedAt = lost.UpdatedAt
			if _, err := s.store.Swap(t.Context(), lost); err != nil {
				t.Fatal(err)
			}
			s.advance(time.Hour)
			return j
		}, "job.failed"},
		"canceled while it waits": {func(t *testing.T, s *system) *job.Job {
			j := s.submitHooked(t, "IMG")
			if _, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil {
				t.Fatal(err)
			}
			return j
		}, "job.canceled"},
		"canceled at work": {func(t *testing.T, s *system) *job.Job {
			j := s.submitHooked(t, "IMG")
			s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
				_, err := s.service.Cancel(t.Context(), alice, j.ID)
				return result("img"), err
			}
			return j
		}, "job.canceled"},
		"its time is over": {func(t *testing.T, s *system) *job.Job {
			in := hooked("IMG")
			in.CancelAfter = 60
			j, err := s.post(t.Context(), alice, in)
			if err != nil {
				t.Fatal(err)
			}
			s.advance(time.Hour)
			return j
		}, "job.canceled"},
		"uploaded, and refused": {func(t *testing.T, s *system) *job.Job {
			in := service.Submission{ContentType: "image/png", Size: 3, Webhook: func() string { return hook }}
			j, err := s.post(t.Context(), alice, in)
			if err != nil {
				t.Fatal(err)
			}
			staged, err := s.store.Stage(t.Context(), job.Input, j.ObjectID(), "image/png", strings.NewReader("no!"))
			if err != nil {
				t.Fatal(err)
			}
			defer staged.Discard()
			if _, err := staged.Commit(t.Context(), job.Condition{}); err != nil {
				t.Fatal(err)
			}
			_, err = s.service.Commit(t.Context(), alice, j.ID, nil)
			wantKind(t, err, job.Unsupported)
			return j
		}, "job.failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := tt.run(t, s)
			s.drain(t)
			got := s.receiver.arrivals(j.ID)
			if len(got) != 1 || got[0].kind != tt.want {
				t.Fatalf("arrivals %+v, want one of %s", got, tt.want)
			}
			if l := s.events(t, j); l.State != job.EventDelivered || len(l.History) != 1 || l.History[0].Status != http.StatusNoContent {
				t.Errorf("the log is %+v", l)
			}
			s.receiver.noLies(t)
		})
	}
}

// TestWebhookSchedule has a receiver fail in many ways, and looks at the pauses.
func TestWebhookSchedule(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	schedule := []time.Duration{5 * time.Second, 5 * minute, 30 * minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
	type answer struct {
		status int
		asked  time.Duration
		err    error
	}
	always := func(a answer) func(int) answer { return func(int) answer { return a } }
	tests := map[string]struct {
		answer func(n int) answer
		least  []time.Duration // the pauses
		state  job.EventState
	}{
		"down for three tries": {func(n int) answer {
			if n <= 3 {
				return answer{err: job.Errorf(job.Unavailable, "the server refuses the connection")}
			}
			return answer{status: 200}
		}, schedule[:3], job.EventDelivered},
		"500 forever":       {always(answer{status: 500}), schedule, job.EventFailed},
		"redirects":         {always(answer{status: 301}), schedule, job.EventFailed},
		"gone":              {always(answer{status: 410}), nil, job.EventRefused},
		"not wanted at all": {always(answer{status: 404}), schedule, job.EventFailed},
		"asks for an hour": {func(n int) answer {
			if n == 1 {
				return answer{status: 429, asked: time.Hour}
			}
			return answer{status: 202}
		}, []time.Duration{time.Hour}, job.EventDelivered},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.receiver.answer = func(n int) (int, time.Duration, error) {
				a := tt.answer(n)
				return a.status, a.asked, a.err
			}
			j := s.submitHooked(t, "IMG")
			s.crawl(t)
			got := s.receiver.arrivals(j.ID)
			if len(got) != len(tt.least)+1 {
				t.Fatalf("%d arrivals, want %d", len(got), len(tt.least)+1)
			}
			for i, least := range tt.least {
				// The clock moves in steps of crawl's.
				if d := got[i+1].at.Sub(got[i].at); d < least || d > least+least/8+crawlStep(least)+time.Minute {
					t.Errorf("pause %d is %s, want %s and up to a tenth more", i+1, d, least)
				}
				if got[i+1].id != got[0].id || string(got[i+1].body) != string(got[0].body) {
					t.Errorf("try %d is of another event", i+2)
				}
			}
			l := s.events(t, j)
			if l.State != tt.state || len(l.History) != len(got) {
				t.Errorf("the log is %+v", l)
			}
			for i, try := range l.History {
				if failed := i < len(l.History)-1 || tt.state != job.EventDelivered; failed != (try.Reason != "") {
					t.Errorf("try %d has the reason %q", i+1, try.Reason)
				}
				if strings.Contains(try.Reason, "receiver.example") || strings.Contains(try.Reason, "s3cret") {
					t.Errorf("the reason shows the URL: %q", try.Reason)
				}
			}
			if n := s.queue.Len(); n != 0 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

func crawlStep(d time.Duration) time.Duration { return max(d/10, time.Second) }

// crawl carries out what is in the queue until it is empty, in steps that are small beside
// the pauses.
func (s *system) crawl(t *testing.T) {
	t.Helper()
	step := time.Second
	for range 4000 {
		ds, err := s.queue.Receive(t.Context(), 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			if s.queue.Len() == 0 {
				return
			}
			s.advance(step)
			step = min(step+step/10, time.Hour)
			continue
		}
		step = time.Second
		for _, d := range ds {
			out := s.carryOut(t.Context(), s.runner, d)
			if err := settle(t.Context(), s, d, out); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("the queue does not get empty")
}

// TestWebhookSurvivesEveryFailure has each call on the way fail once, before and after it
// took effect, and a process die at it: the event arrives all the same, under one name.
func TestWebhookSurvivesEveryFailure(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpLoad, jobtest.OpSwap, jobtest.OpSend, jobtest.OpLoadEvents, jobtest.OpSaveEvents, jobtest.OpExtend, jobtest.OpDelete, jobtest.OpReceive} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			for call := 1; call <= 4; call++ {
				t.Run(fmt.Sprintf("%s %d %d", op, call, when), func(t *testing.T) {
					t.Parallel()
					s := newSystem(t)
					s.receiver.answer = func(n int) (int, time.Duration, error) {
						if n == 1 {
							return http.StatusServiceUnavailable, 0, nil
						}
						return http.StatusOK, 0, nil
					}
					j := s.submitHooked(t, "IMG")
					f := jobtest.Fault{Op: op, Call: call, When: when}
					mend, mendToo := s.store.Inject(f), s.queue.Inject(f)
					s.drain(t)
					mend()
					mendToo()
					s.wantEvent(t, j, "job.completed", 2)
				})
			}
		}
	}
}

// wantEvent fails the test unless the event of a job has arrived, at least so often, under
// one name, and is known to.
func (s *system) wantEvent(t *testing.T, j *job.Job, kind string, least int) {
	t.Helper()
	want, n := webhook.ID(s.document(t, j.ID)), 0
	for _, a := range s.receiver.arrivals(j.ID) {
		if a.id == want {
			n++
			if a.kind != kind {
				t.Errorf("arrived %s %s, want %s", a.id, a.kind, kind)
			}
		}
	}
	if n < least {
		t.Fatalf("%d arrivals of %s, want at least %d", n, want, least)
	}
	if l := s.events(t, j); l.State != job.EventDelivered || l.Event != want {
		t.Errorf("the log is %+v", l)
	}
	s.receiver.noLies(t)
}

// TestWebhookOfWorkerThatDies has a worker die between the document's last write and the
// message for the webhook, and between that and the end of the job's message.
func TestWebhookOfWorkerThatDies(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]bool{"before the message": false, "after the message": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := s.submitHooked(t, "IMG")
			ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
			if err != nil || len(ds) != 1 {
				t.Fatal(ds, err)
			}
			undo := func() {}
			if !sent {
				undo = s.queue.Inject(jobtest.Fault{Op: jobtest.OpSend})
			}
			s.runner.Run(t.Context(), ds[0]) // and its verdict is lost
			undo()
			if got := s.document(t, j.ID).Status; got != job.Completed {
				t.Fatalf("the job is %s", got)
			}
			s.drain(t)
			s.wantEvent(t, j, "job.completed", 1)
			if got := s.receiver.arrivals(j.ID); len(got) != 1 {
				t.Errorf("%d arrivals of one event that the receiver took at once", len(got))
			}
		})
	}
}

func TestWebhookMessagesAreHarmless(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	send := func(id job.ID) {
		t.Helper()
		if err := s.queue.Send(t.Context(), job.Message{JobID: id, Owner: alice.Owner(), Webhook: true}); err != nil {
			t.Fatal(err)
		}
	}
	j := s.submitHooked(t, "IMG")
	send(j.ID) // ahead of the end
	s.drain(t)
	for range 3 {
		send(j.ID)
	}
	plain := s.submit(t, "IMG without a webhook")
	send(plain.ID)
	s.drain(t)
	send(plain.ID)
	s.drain(t)
	if got := s.receiver.arrivals(j.ID); len(got) != 1 {
		t.Errorf("%d arrivals", len(got))
	}
	if got := s.receiver.arrivals(plain.ID); got != nil {
		t.Errorf("of a job without a webhook arrived %+v", got)
	}
	gone := s.submitHooked(t, "IMG to be deleted")
	send(gone.ID)
	if err := s.service.Delete(t.Context(), alice, gone.ID); err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	if got := s.receiver.arrivals(gone.ID); got != nil {
		t.Errorf("of a deleted job arrived %+v", got)
	}
	s.receiver.noLies(t)
}

// TestWebhookWaitsForTheEnd takes a webhook's message ahead of the end of its job: it comes
// back until the job is over, some twenty times, and nothing is posted.
func TestWebhookWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submitHooked(t, "IMG")
	early := job.Delivery{Message: job.Message{JobID: j.ID, Owner: alice.Owner(), Webhook: true}, SentAt: time.Now()}
	for received, want := range map[int]worker.Verdict{1: worker.Later, 20: worker.Later, 21: worker.Done} {
		early.Received = received
		if out := s.deliverer.Run(t.Context(), early); out.Verdict != want {
			t.Errorf("received %d times, it is %s", received, out.Verdict)
		}
	}
	if got := s.receiver.arrivals(j.ID); got != nil {
		t.Errorf("before the end arrived %+v", got)
	}
	s.drain(t)
	s.wantEvent(t, j, "job.completed", 1)
}

// TestWebhookOfCanceledUpload cancels a job whose image never came: no worker hears of it,
// so that only the service can send the message for its event.
func TestWebhookOfCanceledUpload(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j, err := s.post(t.Context(), alice, service.Submission{
		ContentType: "image/png", Size: 7, Rest: func() (json.RawMessage, error) { return nil, nil },
		Webhook: func() string { return hook }, Base: "https://jobs.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.service.Cancel(t.Context(), alice, j.ID); err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	s.wantEvent(t, j, "job.canceled", 1)
}

// TestWebhookOfRedrivenJob: each end of a job is an event of its own.
func TestWebhookOfRedrivenJob(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.processor.do = failAll
	j := s.submitHooked(t, "IMG")
	s.drain(t)
	s.processor.do = nil
	if what, err := s.redriver.Redrive(t.Context(), j.ID, redrive.Options{}); err != nil || what != redrive.Requeued {
		t.Fatal(what, err)
	}
	s.drain(t)
	got := s.receiver.arrivals(j.ID)
	if len(got) != 2 || got[0].kind != "job.failed" || got[1].kind != "job.completed" || got[0].id == got[1].id {
		t.Fatalf("arrivals %+v", got)
	}
	if l := s.events(t, j); len(l.History) != 2 || l.Event != got[1].id {
		t.Errorf("the log is %+v", l)
	}
	s.receiver.noLies(t)
}

func TestWebhookReplay(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submitHooked(t, "IMG")
	_, _, err := s.service.Redeliver(t.Context(), alice, j.ID, nil)
	wantKind(t, err, job.Conflict)
	if _, l, err := s.service.Deliveries(t.Context(), alice, j.ID); err != nil || l.State != "" {
		t.Errorf("before the end the log is %+v, %v", l, err)
	}
	s.drain(t)
	if _, _, err := s.service.Redeliver(t.Context(), alice, j.ID, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.service.Redeliver(t.Context(), alice, j.ID, nil)
	wantKind(t, err, job.Exhausted)
	s.drain(t)
	s.wantEvent(t, j, "job.completed", 2)
	s.advance(time.Minute)
	if _, l, err := s.service.Redeliver(t.Context(), alice, j.ID, nil); err != nil || l.State != job.EventPending {
		t.Fatal(l, err)
	}
	s.drain(t)
	s.wantEvent(t, j, "job.completed", 3)
	plain := s.submit(t, "IMG plain")
	s.drain(t)
	_, _, err = s.service.Redeliver(t.Context(), alice, plain.ID, nil)
	wantKind(t, err, job.NotFound)
	_, _, err = s.service.Deliveries(t.Context(), alice, plain.ID)
	wantKind(t, err, job.NotFound)
	if err := s.service.Delete(t.Context(), alice, j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.LoadEvents(t.Context(), j.ID); job.KindOf(err) != job.NotFound {
		t.Errorf("the log of a deleted job: %v", err)
	}
}

func TestWebhookOfSubmit(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	in := hooked("IMG")
	in.Webhook = func() string { return "https://10.0.0.1/" }
	_, err := s.post(t.Context(), alice, in)
	wantKind(t, err, job.Invalid)
	in = hooked("IMG one")
	in.Key = "key"
	if _, err := s.post(t.Context(), alice, in); err != nil {
		t.Fatal(err)
	}
	in = hooked("IMG one")
	in.Key = "key"
	if _, err := s.post(t.Context(), alice, in); err != nil {
		t.Errorf("the repeat: %v", err)
	}
	in = submission("IMG one")
	in.Key = "key"
	_, err = s.post(t.Context(), alice, in)
	wantKind(t, err, job.Mismatch)
	in = hooked("IMG one")
	in.Key, in.Webhook = "key", func() string { return hook + "2" }
	_, err = s.post(t.Context(), alice, in)
	wantKind(t, err, job.Mismatch)

	without := newSystemWith(t, func(c *service.Config) { c.Webhooks = nil })
	_, err = without.post(t.Context(), alice, hooked("IMG"))
	wantKind(t, err, job.Invalid)
	if !strings.Contains(job.MessageOf(err), "WEBHOOK_KEY") || without.store.Documents() != 0 || without.store.Objects(job.Input) != 0 {
		t.Errorf("without keys: %v, %d documents", err, without.store.Documents())
	}
	_, err = without.service.WebhookSecrets(t.Context(), alice)
	wantKind(t, err, job.NotFound)
	secrets, err := s.service.WebhookSecrets(t.Context(), alice)
	if err != nil || len(secrets) != 1 || secrets[0] != webhookKeys.Secrets(alice.Owner())[0] || secrets[0] == webhookKeys.Secrets("another")[0] {
		t.Errorf("secrets %v, %v", secrets, err)
	}
}

// TestWebhookOfWorkerThatStops: a try that a stop interrupts counts for nothing.
func TestWebhookOfWorkerThatStops(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.submitHooked(t, "IMG")
	ds, err := s.queue.Receive(t.Context(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := settle(t.Context(), s, ds[0], s.runner.Run(t.Context(), ds[0])); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.receiver.answer = func(int) (int, time.Duration, error) {
		cancel(job.ErrStopping)
		return 0, 0, context.Canceled
	}
	if ds, err = s.queue.Receive(t.Context(), 1, time.Minute); err != nil || len(ds) != 1 || !ds[0].Webhook {
		t.Fatal(ds, err)
	}
	out := s.deliverer.Run(ctx, ds[0])
	if !errors.Is(out.Err, job.ErrStopping) || out.After != 0 {
		t.Errorf("the outcome is %+v", out)
	}
	if err := settle(t.Context(), s, ds[0], out); err != nil {
		t.Fatal(err)
	}
	s.receiver.answer = nil
	s.drain(t)
	s.wantEvent(t, j, "job.completed", 2)
	if l := s.events(t, j); len(l.History) != 1 {
		t.Errorf("the log is %+v", l)
	}
}

// TestWebhookMessageIsReplaced: a message that gets old or has come often makes room for a
// fresh one, and no try is made for that.
func TestWebhookMessageIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliverer.Retention = 4 * time.Hour
	s.receiver.answer = func(int) (int, time.Duration, error) { return http.StatusInternalServerError, 0, nil }
	j := s.submitHooked(t, "IMG")
	oldest := time.Duration(0)
	for range 1000 {
		ds, err := s.queue.Receive(t.Context(), 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 && s.queue.Len() == 0 {
			break
		}
		if len(ds) == 0 {
			s.advance(20 * time.Minute)
		}
		for _, d := range ds {
			oldest = max(oldest, s.deliverer.Now().Sub(d.SentAt))
			if err := settle(t.Context(), s, d, s.carryOut(t.Context(), s.runner, d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(s.receiver.arrivals(j.ID)); n != webhook.MaxTries {
		t.Errorf("%d tries, want %d", n, webhook.MaxTries)
	}
	if oldest > 4*time.Hour {
		t.Errorf("a message came %s after it was sent; the queue keeps it for 4h", oldest)
	}
}
