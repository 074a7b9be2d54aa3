package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/worker"
)

// TestLifeOfJobsAsAModel lets a random sequence of everything that can happen to jobs
// happen, with calls failing before and after they took effect, and compares what is
// left with a model of the promises that were made. The twins check every single step
// of every document against the life of a job.
func TestLifeOfJobsAsAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, rt: rt, s: newSystem(t), jobs: map[job.ID]*promise{}}
		m.s.runner.MaxAttempts = 1000 // nothing fails but for a reason of its own
		m.second = m.s.newRunner("worker-2")
		m.second.MaxAttempts = 1000
		rt.Repeat(map[string]func(*rapid.T){
			"submit":        m.submit,
			"announce":      m.announce,
			"commit":        m.commit,
			"work":          m.work,
			"lose worker":   m.loseWorker,
			"duplicate":     m.duplicate,
			"cancel":        m.cancel,
			"delete":        m.delete,
			"fail for good": m.failForGood,
			"redrive":       m.redrive,
			"time passes":   m.pass,
			"a call fails":  m.fail,
			"":              m.check,
		})
		m.end()
	})
}

// promise is what the model knows of one job.
type promise struct {
	image     string
	accepted  bool
	announced bool // awaits its upload
	canceled  bool // a cancellation was answered well
	mayEnd    bool // one was asked for, and may have taken effect
	limited   bool // it has a Cancel-After
	maybeGone bool // a delete was asked for, and may have gone half-way
	gone      bool // a delete was answered well
}

type model struct {
	t      *testing.T
	rt     *rapid.T
	s      *system
	second *worker.Runner
	jobs   map[job.ID]*promise
	mend   []func()
	n      int
}

// pick draws one of the jobs that fit, in a stable order.
func (m *model) pick(rt *rapid.T, fits func(*promise) bool) (job.ID, *promise) {
	var ids []job.ID
	for id, p := range m.jobs {
		if fits(p) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		rt.Skip("no such job")
	}
	// The identifiers differ from run to run; their images do not.
	byImage := map[string]job.ID{}
	var images []string
	for _, id := range ids {
		byImage[m.jobs[id].image] = id
		images = append(images, m.jobs[id].image)
	}
	id := byImage[rapid.SampledFrom(slices.Sorted(slices.Values(images))).Draw(rt, "job")]
	return id, m.jobs[id]
}

func (m *model) submit(rt *rapid.T) {
	m.n++
	in := submission(fmt.Sprintf("IMG %04d", m.n))
	if key := rapid.IntRange(0, 6).Draw(rt, "key"); key > 0 {
		in = submission(fmt.Sprintf("IMG key %d", key)) // one image for each key
		in.Key = fmt.Sprint("key ", key)
	}
	if rapid.IntRange(0, 3).Draw(rt, "limited") == 0 {
		in.CancelAfter = 200
	}
	in.Webhook = func() string { return hook } // of every job
	j, err := m.s.post(m.t.Context(), alice, in)
	if err != nil {
		return
	}
	p := m.jobs[j.ID]
	if p == nil {
		p = &promise{}
		m.jobs[j.ID] = p
	}
	p.image, p.accepted = m.imageOf(in), true
	if p.gone { // a new job under an old key
		*p = promise{image: p.image, accepted: true}
	}
	p.limited = j.CancelAfter > 0
}

// imageOf tells what was submitted, from the key or the count.
func (m *model) imageOf(in service.Submission) string {
	if in.Key != "" {
		return "IMG " + in.Key
	}
	return fmt.Sprintf("IMG %04d", m.n)
}

func (m *model) announce(*rapid.T) {
	m.n++
	image := fmt.Sprintf("IMG %04d", m.n)
	j, err := m.s.postAnnouncement(m.t, announcement{ContentType: "image/png", SizeBytes: int64(len(image))})
	if err != nil {
		return
	}
	m.jobs[j.ID] = &promise{image: image, announced: true}
}

func (m *model) commit(rt *rapid.T) {
	id, p := m.pick(rt, func(p *promise) bool { return p.announced && !p.maybeGone })
	staged, err := m.s.store.Stage(m.t.Context(), job.Input, id, "image/png", strings.NewReader(p.image))
	if err != nil {
		return
	}
	_, err = staged.Commit(m.t.Context(), job.Condition{})
	staged.Discard()
	if err != nil {
		return
	}
	if _, err := m.s.service.Commit(m.t.Context(), alice, id, nil); err == nil {
		p.accepted = true
	}
}

func (m *model) receive(rt *rapid.T) []job.Delivery {
	ds, err := m.s.queue.Receive(m.t.Context(), rapid.IntRange(1, 3).Draw(rt, "messages"), time.Minute)
	if err != nil {
		return nil
	}
	return ds
}

// work lets one of two workers carry out some messages, orderly or interrupted.
func (m *model) work(rt *rapid.T) {
	r := m.s.runner
	if rapid.Bool().Draw(rt, "second worker") {
		r = m.second
	}
	stops := rapid.IntRange(0, 5).Draw(rt, "stops") == 0
	for _, d := range m.receive(rt) {
		ctx, cancel := context.WithCancelCause(m.t.Context())
		if stops {
			m.s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
				cancel(job.ErrStopping)
				return nil, context.Canceled
			}
		}
		out := m.s.carryOut(ctx, r, d)
		m.s.processor.do = nil
		cancel(nil)
		_ = worker.Settle(m.t.Context(), m.s.queue, d, out)
	}
}

// loseWorker claims jobs as a worker does that dies thereafter.
func (m *model) loseWorker(rt *rapid.T) {
	for _, d := range m.receive(rt) {
		j, err := m.s.store.Load(m.t.Context(), d.JobID)
		if err != nil || j.Status != job.Pending || !j.UploadUntil.IsZero() {
			continue
		}
		next := jobtest.Claimed(j, "dead")
		now := m.s.runner.Now().UTC()
		next.UpdatedAt, next.StartedAt, next.LeaseUntil = now, now, now.Add(time.Minute)
		_, _ = m.s.store.Swap(m.t.Context(), next)
	}
}

func (m *model) duplicate(rt *rapid.T) {
	id, _ := m.pick(rt, func(p *promise) bool { return p.accepted && !p.maybeGone })
	_ = m.s.queue.Send(m.t.Context(), job.Message{JobID: id, Owner: alice.Owner()})
}

func (m *model) delete(rt *rapid.T) {
	id, p := m.pick(rt, func(*promise) bool { return true })
	err := m.s.service.Delete(m.t.Context(), alice, id)
	p.maybeGone, p.gone = true, err == nil || job.KindOf(err) == job.NotFound
}

// cancel asks for the end of a job in whatever state it is: while it waits, or while one of
// two workers has it. It holds the answer against what the document says then.
func (m *model) cancel(rt *rapid.T) {
	id, p := m.pick(rt, func(p *promise) bool { return !p.maybeGone })
	cancel := func() {
		p.mayEnd = true
		j, err := m.s.service.Cancel(m.t.Context(), alice, id)
		switch job.KindOf(err) {
		case job.Conflict:
			if p.canceled {
				m.rt.Fatalf("job %s was canceled, and a second cancellation says: %v", id, err)
			}
		case job.Unknown:
			if err == nil && j.Status != job.StatusCanceled {
				m.rt.Fatalf("job %s was canceled and is %s", id, j.Status)
			}
			p.canceled = p.canceled || err == nil
		}
	}
	if !rapid.Bool().Draw(rt, "under a worker") {
		cancel()
		return
	}
	for _, d := range m.receive(rt) {
		m.s.processor.do = func(_ context.Context, t job.Task) (*job.Result, error) {
			cancel()
			image, err := io.ReadAll(t.Image)
			if err != nil {
				return nil, err
			}
			if rapid.Bool().Draw(rt, "it fails") {
				return nil, job.Errorf(job.Unknown, "it fails")
			}
			return result(strings.ToLower(string(image))), nil
		}
		out := m.second.Run(m.t.Context(), d)
		m.s.processor.do = nil
		_ = worker.Settle(m.t.Context(), m.s.queue, d, out)
	}
}

// failForGood has one worker refuse some images.
func (m *model) failForGood(rt *rapid.T) {
	for _, d := range m.receive(rt) {
		m.s.processor.do = failAll
		out := m.s.carryOut(m.t.Context(), m.s.runner, d)
		m.s.processor.do = nil
		_ = worker.Settle(m.t.Context(), m.s.queue, d, out)
	}
}

// redrive puts jobs back, in whatever state they are; what it may not touch it leaves.
func (m *model) redrive(rt *rapid.T) {
	id, _ := m.pick(rt, func(*promise) bool { return true })
	_, _ = m.s.redriver.Redrive(m.t.Context(), id, redrive.Options{Undelivered: rapid.Bool().Draw(rt, "undelivered")})
}

func (m *model) pass(rt *rapid.T) {
	m.s.advance(time.Duration(rapid.SampledFrom([]int{1, 60, 300, 86_400}).Draw(rt, "seconds")) * time.Second)
}

// fail has a call fail soon, once.
func (m *model) fail(rt *rapid.T) {
	f := jobtest.Fault{
		Op: rapid.SampledFrom([]jobtest.Op{
			jobtest.OpCreate, jobtest.OpLoad, jobtest.OpSwap, jobtest.OpErase, jobtest.OpCommit, jobtest.OpOpen, jobtest.OpStat,
			jobtest.OpLoadEvents, jobtest.OpSaveEvents, jobtest.OpEraseEvents, jobtest.OpRemove, jobtest.OpEnlist, jobtest.OpDelist, jobtest.OpSend, jobtest.OpReceive, jobtest.OpExtend, jobtest.OpDelete,
		}).Draw(rt, "call"),
		Call: rapid.IntRange(1, 3).Draw(rt, "nth"),
	}
	if f.Op != jobtest.OpOpen && rapid.Bool().Draw(rt, "after it took effect") {
		f.When = jobtest.After
	}
	m.mend = append(m.mend, m.s.store.Inject(f), m.s.queue.Inject(f))
}

// check holds after every step.
func (m *model) check(*rapid.T) {
	if m.t.Failed() {
		m.rt.Fatal("a twin has seen a step that no job may take")
	}
}

// end lets everything come to rest, and asks for what was promised.
func (m *model) end() {
	for _, mend := range m.mend {
		mend()
	}
	for id, p := range m.jobs {
		if p.maybeGone { // the client repeats what was not answered well
			if err := m.s.service.Delete(m.t.Context(), alice, id); err != nil && job.KindOf(err) != job.NotFound {
				m.rt.Fatalf("delete of %s: %v", id, err)
			}
		}
	}
	m.s.drain(m.t)
	for id := range m.jobs { // what failed for good, an operator puts back in the end
		if _, err := m.s.redriver.Redrive(m.t.Context(), id, redrive.Options{}); err != nil {
			m.rt.Fatalf("redrive of %s: %v", id, err)
		}
	}
	m.s.drain(m.t)
	for id, p := range m.jobs {
		j, err := m.s.service.Status(m.t.Context(), alice, id)
		switch {
		case p.maybeGone:
			if job.KindOf(err) != job.NotFound {
				m.rt.Fatalf("deleted job %s: %+v, %v", id, j, err)
			}
		case err != nil:
			m.rt.Fatalf("job %s: %v", id, err)
		case j.Status == job.StatusCanceled:
			if !p.mayEnd && !p.limited {
				m.rt.Fatalf("job %s is canceled, and its client never asked for that: %s", id, j.Message)
			}
			if d := m.s.document(m.t, id); d.Attempts > 0 && m.s.ledger.bills(d.ObjectID()) != 1 {
				m.rt.Fatalf("job %s was canceled after %d attempts and billed %d times", id, d.Attempts, m.s.ledger.bills(d.ObjectID()))
			} else if _, err := m.s.store.Stat(m.t.Context(), job.Output, d.OutputObject()); job.KindOf(err) != job.NotFound {
				m.rt.Fatalf("job %s is canceled and has an output: %v", id, err)
			}
		case p.canceled:
			m.rt.Fatalf("job %s was canceled and is %s", id, j.Status)
		case !p.accepted:
			if j.Status == job.Processing {
				m.rt.Fatalf("job %s was never accepted and is %s", id, j.Status)
			}
		case p.limited && j.Status == job.Failed: // it failed before its time, which was over when it was to be put back
		case j.Status != job.Completed:
			m.rt.Fatalf("job %s is %s: %s", id, j.Status, j.Message)
		default:
			if got := m.s.output(m.t, id); got != strings.ToLower(p.image) {
				m.rt.Fatalf("job %s of %q has the output %q", id, p.image, got)
			}
			if n := m.s.ledger.bills(m.s.document(m.t, id).ObjectID()); n != 1 {
				m.rt.Fatalf("job %s was billed %d times", id, n)
			}
			if !p.announced {
				m.s.wantEvent(m.t, j, "job.completed", 1)
			}
		}
	}
	if n := m.s.queue.Len(); n != 0 {
		m.rt.Fatalf("%d messages are left", n)
	}
	m.checkList()
}

// checkList compares the list with the jobs: each that has a status and was not answered with
// an error is there once.
func (m *model) checkList() {
	listed := map[job.ID]int{}
	for _, id := range m.s.list(m.t, service.ListQuery{Limit: 3}) {
		listed[id]++
	}
	for id := range m.jobs {
		want := 0
		if j, err := m.s.store.Load(m.t.Context(), id); err == nil && !j.Deleted && !j.Unaccepted {
			want = 1
		}
		if listed[id] != want {
			m.rt.Fatalf("job %s is in the list %d times, want %d", id, listed[id], want)
		}
	}
}
