package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/httpapi/apitest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

// allowing is a monitor that allows everything.
type allowing struct{}

func (allowing) Decide(context.Context, job.Access) job.Decision { return job.Decision{Allow: true} }

// streamed is an API over a store in memory, for tests in a bubble of synctest.
type streamed struct {
	t       *testing.T
	store   *jobtest.Store
	drain   chan struct{}
	handler http.Handler
}

func newStreamed(t *testing.T) *streamed { return newStreamedWith(t, func(*service.Config) {}) }

// newStreamedWith is newStreamed with a service that is made otherwise.
func newStreamedWith(t *testing.T, change func(*service.Config)) *streamed {
	s := &streamed{t: t, store: jobtest.NewStore(t), drain: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	c := service.Config{
		Store: s.store, Monitor: allowing{}, Draining: s.drain, Now: time.Now, Logger: log,
		Limits: service.Limits{Waiters: 2, Retention: 96 * time.Hour},
	}
	change(&c)
	svc := service.New(c)
	h, _ := httpapi.New(httpapi.Options{Service: svc, Auth: httpapi.Anonymous{}, Logger: log, Now: time.Now})
	s.handler = apitest.Handler(t, h)
	return s
}

// pending makes a job.
func (s *streamed) pending() *job.Job { return s.pendingWith(func(*job.Job) {}) }

func (s *streamed) pendingWith(change func(*job.Job)) *job.Job {
	j := &job.Job{
		ID: job.NewID(), Owner: job.Anonymous.Owner(), Status: job.Pending, CreatedAt: time.Now().UTC(),
		Input: job.Media{ContentType: "image/png", SizeBytes: 3},
	}
	change(j)
	version, err := s.store.Create(s.t.Context(), j.Stamp(time.Now()))
	if err != nil {
		s.t.Fatal(err)
	}
	j.Version = version
	return j
}

// change writes the job anew.
func (s *streamed) change(j *job.Job, change func(*job.Job)) {
	change(j)
	version, err := s.store.Swap(s.t.Context(), j.Stamp(time.Now()))
	if err != nil {
		s.t.Fatal(err)
	}
	j.Version = version
}

func claim(j *job.Job) {
	j.Status, j.Worker, j.Attempts, j.StartedAt, j.LeaseUntil = job.Processing, "w", 1, time.Now().UTC(), time.Now().Add(time.Hour).UTC()
}

// complete puts an output there and completes the job.
func (s *streamed) complete(j *job.Job) {
	staged, err := s.store.Stage(s.t.Context(), job.Output, j.ID, "image/png", strings.NewReader("png"))
	if err != nil {
		s.t.Fatal(err)
	}
	tag, err := staged.Commit(s.t.Context(), job.Condition{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.change(j, func(j *job.Job) {
		j.Finish(job.Completed, time.Now())
		j.Output = &job.Media{ContentType: "image/png", SizeBytes: 3, Tag: tag}
	})
}

// sink takes an answer while it is written.
type sink struct {
	mu      sync.Mutex // guards what follows
	status  int
	header  http.Header
	sent    bytes.Buffer // flushed
	pending bytes.Buffer
	ended   bool
}

func (k *sink) Header() http.Header { return k.header }
func (k *sink) WriteHeader(status int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status = status
}
func (k *sink) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pending.Write(p)
}
func (k *sink) Flush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent.Write(k.pending.Bytes())
	k.pending.Reset()
}

// take returns what has been sent since the last call, and whether the answer has ended.
func (k *sink) take() (sent string, ended bool) {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.sent.Reset()
	return k.sent.String(), k.ended
}

// open asks for the stream of a job.
func (s *streamed) open(ctx context.Context, id job.ID, header ...string) *sink {
	k := &sink{header: http.Header{}}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://x/jobs/"+id.String(), nil)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	go func() {
		s.handler.ServeHTTP(k, r)
		k.Flush()
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ended = true
	}()
	return k
}

var event = regexp.MustCompile(`^event: status\nid: ("[^"\n]+")\ndata: (\{[^\n]*\})\n\n$`)

// status returns the status in the one event that was sent, and its identifier.
func (k *sink) event(t *testing.T) (status, id string, ended bool) {
	t.Helper()
	sent, ended := k.take()
	m := event.FindStringSubmatch(sent)
	if m == nil {
		t.Fatalf("sent %q, want one event", sent)
	}
	var v struct{ Status string }
	if err := json.Unmarshal([]byte(m[2]), &v); err != nil {
		t.Fatal(err)
	}
	return v.Status, m[1], ended
}

// TestStream follows a job from its submit to its end.
func TestStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		j := s.pending()
		k := s.open(t.Context(), j.ID)
		if status, _, ended := k.event(t); status != "pending" || ended {
			t.Errorf("at first: %s, ended %v", status, ended)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept"} {
			if got := k.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		for range 3 {
			time.Sleep(14 * time.Second)
			if sent, _ := k.take(); sent != "" {
				t.Errorf("sent %q before 15 s", sent)
			}
			time.Sleep(time.Second)
			if sent, ended := k.take(); sent != ":\n\n" || ended {
				t.Errorf("sent %q after 15 s, ended %v", sent, ended)
			}
		}
		s.change(j, claim)
		time.Sleep(3 * time.Second)
		if status, _, ended := k.event(t); status != "processing" || ended {
			t.Errorf("then: %s, ended %v", status, ended)
		}
		s.change(j, func(j *job.Job) { j.Progress = &job.Progress{Fraction: 0.4, Note: "sharpen"} })
		time.Sleep(3 * time.Second)
		sent, _ := k.take()
		if !strings.Contains(sent, `"progress":{"fraction":0.4,"note":"sharpen"}`) {
			t.Errorf("progress is sent as %q", sent)
		}
		s.complete(j)
		time.Sleep(3 * time.Second)
		status, id, ended := k.event(t)
		if status != "completed" || !ended {
			t.Errorf("at last: %s, ended %v", status, ended)
		}
		again := s.open(t.Context(), j.ID, "Last-Event-ID", id)
		if sent, ended := again.take(); sent != "" || !ended || again.status != http.StatusNoContent {
			t.Errorf("who has the end gets %d %q, ended %v", again.status, sent, ended)
		}
	})
}

// TestStreamGoesOnWhereItBroke reconnects with the identifier of the last event.
func TestStreamGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		j := s.pending()
		ctx, leave := context.WithCancel(t.Context())
		first := s.open(ctx, j.ID)
		_, id, _ := first.event(t)
		leave()
		if _, ended := first.take(); !ended {
			t.Error("the stream goes on without its client")
		}
		again := s.open(t.Context(), j.ID, "Last-Event-ID", id)
		if sent, ended := again.take(); sent != ":\n\n" || ended {
			t.Errorf("sent %q, ended %v: the client has this status", sent, ended)
		}
		s.change(j, func(j *job.Job) { j.Cancel(time.Now(), "canceled by its owner") })
		time.Sleep(3 * time.Second)
		if status, _, ended := again.event(t); status != "canceled" || !ended {
			t.Errorf("%s, ended %v", status, ended)
		}
	})
}

// TestStreamEnds lists what ends a stream before its job is over, and what does not.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	retry := regexp.MustCompile(`^(?::\n\n)*retry: [1-9][0-9]{3,4}\n\n$`)
	tests := map[string]struct {
		happens func(s *streamed, j *job.Job)
		after   time.Duration
		ended   bool
		retry   bool
	}{
		"the service drains": {func(s *streamed, _ *job.Job) { close(s.drain) }, 0, true, true},
		"its time is over":   {func(*streamed, *job.Job) {}, 5*time.Minute + 15*time.Second, true, true},
		"the job is deleted": {func(s *streamed, j *job.Job) { s.change(j, func(j *job.Job) { j.Deleted = true }) }, 3 * time.Second, true, false},
		"storage fails":      {func(s *streamed, _ *job.Job) { s.store.Inject(jobtest.Fault{Op: jobtest.OpLoad, Call: 0}) }, time.Minute, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStreamed(t)
				j := s.pending()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				k := s.open(ctx, j.ID)
				k.event(t)
				tt.happens(s, j)
				time.Sleep(tt.after)
				sent, ended := k.take()
				if ended != tt.ended || tt.retry != retry.MatchString(sent) {
					t.Errorf("sent %q, ended %v", sent, ended)
				}
			})
		})
	}
}

// TestStreamsShareThePlacesOfWaits opens more streams than may wait: the others get the
// status, and when to come again.
func TestStreamsShareThePlacesOfWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t) // one owner has one of two places
		j := s.pending()
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		s.open(ctx, j.ID).event(t)
		k := s.open(ctx, j.ID)
		if sent, ended := k.take(); !ended || !strings.Contains(sent, `"status":"pending"`) || !regexp.MustCompile(`\n\nretry: [0-9]{4,5}\n\n$`).MatchString(sent) {
			t.Errorf("sent %q, ended %v", sent, ended)
		}
		leave()
		synctest.Wait()
		last := s.open(t.Context(), j.ID)
		last.event(t)
		s.change(j, claim)
		time.Sleep(3 * time.Second)
		if status, _, _ := last.event(t); status != "processing" {
			t.Errorf("with a free place: %s", status)
		}
		close(s.drain)
		last.take()
	})
}

// TestStreamWhereNoneIsPossible asks a server whose answers cannot be flushed, and asks with
// other preferences.
func TestStreamWhereNoneIsPossible(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	j := s.pending()
	get := func(accept string, w http.ResponseWriter) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/jobs/"+j.ID.String(), nil)
		r.Header.Set("Accept", accept)
		s.handler.ServeHTTP(w, r)
	}
	w := httptest.NewRecorder()
	get("text/event-stream", struct{ http.ResponseWriter }{w})
	if w.Code != http.StatusNotAcceptable || !strings.Contains(w.Body.String(), "Prefer: wait=60") {
		t.Errorf("without a flush: %d %s", w.Code, w.Body)
	}
	for _, accept := range []string{"", "*/*", "application/json", "application/json, text/event-stream;q=0.5", "text/event-stream;q=0", "text/html, application/xhtml+xml, */*;q=0.8"} {
		w := httptest.NewRecorder()
		if get(accept, w); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("Accept: %s: %d %s", accept, w.Code, w.Header().Get("Content-Type"))
		}
	}
}
