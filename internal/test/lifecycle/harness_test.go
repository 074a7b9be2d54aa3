package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/worker"
)

// retention is how long the system's queue keeps a message.
const retention = 96 * time.Hour

// system is a service and a worker over the hostile twins, on one clock.
type system struct {
	store     *jobtest.Store
	queue     *jobtest.Queue
	monitor   *monitor
	processor *processor
	ledger    *ledger
	service   *service.Service
	runner    *worker.Runner
	deliverer *worker.Deliverer
	receiver  *receiver
	redriver  *redrive.Redriver
	ahead     atomic.Int64 // nanoseconds that the clock is ahead of the real one
}

func newSystem(t *testing.T) *system {
	t.Helper()
	return newSystemWith(t, func(*service.Config) {})
}

// newSystemWith is newSystem with a service that is made otherwise.
func newSystemWith(t *testing.T, change func(*service.Config)) *system {
	t.Helper()
	s := &system{store: jobtest.NewStore(t), monitor: &monitor{}, processor: &processor{}, ledger: &ledger{}}
	s.queue = jobtest.NewQueue(t, s.store)
	s.queue.Wait = time.Millisecond
	now := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	log := slog.New(slog.DiscardHandler)
	c := service.Config{
		Store: s.store, Presigner: presigner{now, 2 * time.Hour}, Ledger: s.ledger, Lists: s.store, Events: s.store, Queue: s.queue, Webhooks: webhooks{s.queue}, Monitor: s.monitor, Rules: rules{}, Inspector: inspector{}, Now: now, Logger: log,
		Limits: service.Limits{
			MaxBytes: 1 << 20, InlineBytes: 1 << 18, MaxPixels: 1000, Waiters: 4,
			Retention: retention, UploadTTL: time.Hour, Settle: time.Second,
		},
	}
	change(&c)
	s.service = service.New(c)
	s.runner = s.newRunner("worker-1")
	s.receiver = &receiver{s: s}
	s.deliverer = worker.NewDeliverer(worker.DelivererConfig{
		Documents: s.store, Events: s.store, Queue: s.queue, Retention: retention, Keys: webhookKeys, Post: s.receiver.post, Concurrency: 4, Status: asStatus, Now: now, Logger: log,
	})
	s.redriver = redrive.New(redrive.Config{Store: s.store, Queue: s.queue, Retention: retention, Now: now})
	return s
}

func (s *system) newRunner(name string) *worker.Runner {
	return worker.NewRunner(worker.RunnerConfig{
		Store: s.store, Queue: s.queue, Processor: s.processor, Inspector: inspector{}, MaxPixels: 1000, Ledger: s.ledger, Webhooks: s.queue, Worker: name, Lease: time.Minute, TimeLimit: time.Minute,
		MaxAttempts: 3, Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }, Logger: slog.New(slog.DiscardHandler),
	})
}

func (s *system) advance(d time.Duration) {
	s.ahead.Add(int64(d))
	s.queue.Advance(d)
}

// drain carries out what is in the queue, hour by hour, until it is empty.
func (s *system) drain(t *testing.T) {
	t.Helper()
	for range 100 {
		ds, err := s.queue.Receive(t.Context(), 10, time.Minute)
		if err != nil {
			continue // an injected fault: the worker would try again, too
		}
		if len(ds) == 0 {
			if s.queue.Len() == 0 {
				return
			}
			s.advance(time.Hour)
		}
		for _, d := range ds {
			out := s.carryOut(t.Context(), s.runner, d)
			_ = worker.Settle(t.Context(), s.queue, d, out) // when this fails, the message comes back
		}
	}
	t.Errorf("%d messages never leave the queue", s.queue.Len())
}

var alice = job.Caller{Principal: job.Principal{Issuer: "https://id.example", Subject: "alice"}, Source: netip.MustParseAddr("192.0.2.7")}

func submission(image string) service.Submission {
	return service.Submission{Image: strings.NewReader(image)}
}

// post submits, and returns the job beside why it is not accepted, if it is not.
func (s *system) post(ctx context.Context, who job.Caller, in service.Submission) (*job.Job, error) {
	out, err := s.service.Submit(ctx, who, in)
	return out.Job, errors.Join(err, out.Err)
}

// announcement is an image that will be uploaded directly.
type announcement struct {
	ContentType string
	SizeBytes   int64
	Params      json.RawMessage
	Key         string
}

func (s *system) postAnnouncement(t *testing.T, a announcement) (*job.Job, error) {
	t.Helper()
	return s.post(t.Context(), alice, service.Submission{
		ContentType: a.ContentType, Size: a.SizeBytes, Key: a.Key, Rest: func() (json.RawMessage, error) { return a.Params, nil },
	})
}

func (s *system) submit(t *testing.T, image string) *job.Job {
	t.Helper()
	j, err := s.post(t.Context(), alice, submission(image))
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return j
}

// document reads a job's document past every monitor.
func (s *system) document(t *testing.T, id job.ID) *job.Job {
	t.Helper()
	j, err := s.store.Load(context.WithoutCancel(t.Context()), id)
	if err != nil {
		t.Fatalf("document of %s: %v", id, err)
	}
	return j
}

func (s *system) output(t *testing.T, id job.ID) string {
	t.Helper()
	_, c, err := s.service.Output(t.Context(), alice, id, func(*job.Job) job.OpenOptions { return job.OpenOptions{} })
	if err != nil {
		t.Fatalf("output of %s: %v", id, err)
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantKind(t *testing.T, err error, k job.Kind) {
	t.Helper()
	if err == nil || job.KindOf(err) != k {
		t.Fatalf("error is %v of kind %v, want kind %v", err, job.KindOf(err), k)
	}
	if job.MessageOf(err) == "" {
		t.Errorf("%v says nothing to the client", err)
	}
}

// inspector takes everything that begins with IMG for an image.
type inspector struct{}

func (inspector) Detect(head []byte) string {
	if bytes.HasPrefix(head, []byte("IMG")) {
		return "image/png"
	}
	return ""
}

func (inspector) Refusal([]byte, func(string) bool) string { return "the body is not an image" }

func (inspector) Inspect(max int64) job.Inspection { return &inspection{max: max} }

func (i inspector) InspectAt(r io.ReaderAt, size, max int64) (job.Media, error) {
	in := i.Inspect(max)
	if _, err := io.Copy(in, io.NewSectionReader(r, 0, size)); err != nil {
		return job.Media{}, err
	}
	return in.Finish()
}

// inspection counts a pixel for each P.
type inspection struct{ n, max int64 }

func (i *inspection) Write(p []byte) (int, error) {
	if i.n += int64(bytes.Count(p, []byte("P"))); i.n > i.max {
		return 0, job.Errorf(job.TooLarge, "too many pixels")
	}
	return len(p), nil
}

func (i *inspection) Finish() (job.Media, error) {
	return job.Media{Width: 1, Height: 1, Pixels: i.n}, nil
}

type rules struct{}

func (rules) Accepts(string) bool { return true }
func (rules) CheckParams(input job.Media, p json.RawMessage) error {
	if input.Pixels == 13 {
		return job.Errorf(job.TooLarge, "not with this image")
	}
	if strings.Contains(string(p), "bad") {
		return job.Errorf(job.Invalid, "bad params")
	}
	return nil
}

// monitor allows everything but what deny says, and counts.
type monitor struct {
	asked atomic.Int64
	deny  func(job.Access) (denied, visible bool)
}

func (m *monitor) Decide(_ context.Context, q job.Access) job.Decision {
	m.asked.Add(1)
	if m.deny != nil {
		if denied, visible := m.deny(q); denied {
			return job.Decision{Policy: "test", Visible: visible}
		}
	}
	return job.Decision{Allow: true}
}

// processor turns an image into upper case, or does what do says.
type processor struct {
	do    func(ctx context.Context, t job.Task) (*job.Result, error)
	calls atomic.Int64
}

func (p *processor) Process(ctx context.Context, t job.Task) (*job.Result, error) {
	p.calls.Add(1)
	if p.do != nil {
		return p.do(ctx, t)
	}
	b, err := io.ReadAll(t.Image)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	return result(strings.ToLower(string(b))), nil
}

func result(s string) *job.Result {
	return &job.Result{ContentType: "image/png", Width: 1, Height: 1, Body: io.NopCloser(strings.NewReader(s))}
}

// presigner makes requests that cannot be sent, valid for the session at most.
type presigner struct {
	now     func() time.Time
	session time.Duration
}

func (p presigner) PresignInput(_ context.Context, id job.ID, image job.Media, ttl time.Duration) (*job.Upload, error) {
	return &job.Upload{
		Method: "PUT", URL: "https://storage.example/" + id.String(), Headers: map[string]string{"Content-Type": image.ContentType, "Content-Length": strconv.FormatInt(image.SizeBytes, 10)},
		ExpiresAt: p.now().Add(min(ttl, p.session)),
	}, nil
}

func (presigner) UploadedDigest(context.Context, job.ID) (sha256, tag string, err error) {
	return "", "", nil
}

// ledger keeps records as the interface says, after some failures.
type ledger struct {
	mu      sync.Mutex                   // guards what follows
	records map[job.ID]map[string][]byte // by day
	fail    int                          // how many calls fail first
}

func (l *ledger) RecordUsage(_ context.Context, owner string, ended time.Time, id job.ID, record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail > 0 {
		l.fail--
		return errors.New("no ledger today")
	}
	if l.records == nil {
		l.records = map[job.ID]map[string][]byte{}
	}
	if l.records[id] == nil {
		l.records[id] = map[string][]byte{}
	}
	if day := ended.UTC().Format(time.DateOnly); l.records[id][day] == nil {
		l.records[id][day] = record
	}
	return nil
}

func (l *ledger) SumUsage(ctx context.Context, owner string, from, to time.Time) ([]job.UsageDay, error) {
	for u, err := range job.Bill(l.ReadUsage(ctx, owner, from, to), from, to) {
		return u.Days, err
	}
	return nil, nil
}

func (l *ledger) ReadUsage(_ context.Context, owner string, from, to time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, days := range l.records {
			for _, r := range days {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (l *ledger) has(id job.ID) bool { return l.bills(id) > 0 }

// bills is how often a job was billed.
func (l *ledger) bills(id job.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records[id])
}
