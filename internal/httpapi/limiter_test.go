package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/limiter"
	"claimcheck.example/internal/service"
)

// TestUploadWaitsForItsTurn has the only large upload take its time. Another one waits
// without being read, and goes on when the first has ended. Small ones do not wait.
func TestUploadWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_UPLOADS=1")
	img := small(t)
	post := func(body io.Reader) <-chan apptest.Answer {
		answer := make(chan apptest.Answer, 1)
		go func() { answer <- apptest.Do(t, http.MethodPost, s.URL+"/jobs", body, "Content-Type", "image/png") }()
		return answer
	}
	body, sender := io.Pipe()
	first := post(body)
	if _, err := sender.Write(append(bytes.Clone(img), make([]byte, 12<<20)...)); err != nil {
		t.Fatal(err)
	}
	awaitCall(t, s, "S3 UploadPart")
	second := post(bytes.NewReader(append(bytes.Clone(img), make([]byte, 1<<20)...)))
	if a := s.Submit(t, img); a.StatusCode != http.StatusAccepted {
		t.Errorf("a small one: %s: %s", a.Status, a.Bytes)
	}
	sender.Close()
	for what, answer := range map[string]<-chan apptest.Answer{"the first": first, "the second": second} {
		if a := <-answer; a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %s: %s", what, a.Status, a.Bytes)
		}
	}
}

// TestNoPlaceInTime uses up the budget. The server reads no more than the head of another
// upload, and answers 429.
func TestNoPlaceInTime(t *testing.T) {
	t.Parallel()
	share := limiter.Share{Bytes: 8 << 10, Uploads: 1, Wait: time.Millisecond}
	limit := limiter.New(limiter.Options{Small: share, Large: share})
	for _, size := range []int64{1, 0} {
		if _, err := limit.Acquire(t.Context(), "another", size); err != nil {
			t.Fatal(err)
		}
	}
	h := handler(t, func(o *httpapi.Options) { o.Limiter = limit })
	img := append(small(t), make([]byte, 8<<10)...)
	contentType, form := apptest.Form(t, img)
	tests := map[string]struct {
		contentType string
		body        []byte
		length      int64
	}{
		"small":        {"image/png", img, 8 << 10},
		"large":        {"image/png", img, 1 << 20},
		"size unknown": {"image/png", img, -1},
		"a form":       {contentType, form, int64(len(form))},
	}
	for name, tt := range tests {
		body := &counted{r: bytes.NewReader(tt.body)}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/jobs", body)
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", tt.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		after, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != http.StatusTooManyRequests || err != nil || after < 1 || after > 4 || body.n > 4<<10 {
			t.Errorf("%s: %d, Retry-After %q, %d bytes are read: %s", name, w.Code, w.Header().Get("Retry-After"), body.n, w.Body)
		}
	}
}

// TestNoPlaceBeforeTheHead looks whether the only place is taken while a body arrives: a
// body whose head has not arrived takes none, and one that is read further has it.
func TestNoPlaceBeforeTheHead(t *testing.T) {
	t.Parallel()
	share := limiter.Share{Bytes: 256 << 10, Uploads: 1, Wait: time.Millisecond}
	limit := limiter.New(limiter.Options{Small: share, Large: share})
	h := handler(t, func(o *httpapi.Options) { o.Limiter = limit })
	img := append(small(t), make([]byte, 16<<10)...)
	contentType, form := apptest.Form(t, img)
	for name, tt := range map[string]struct {
		contentType string
		body        []byte
		length      int64
	}{
		"bare":         {"image/png", img, int64(len(img))},
		"large":        {"image/png", append(img, make([]byte, 512<<10)...), 512<<10 + int64(len(img))},
		"size unknown": {"image/png", img, -1},
		"a form":       {contentType, form, int64(len(form))},
	} {
		read := 0
		body := readerFunc(func(p []byte) (int, error) {
			if read == len(tt.body) {
				return 0, io.EOF
			}
			size := max(tt.length, 0)
			if tt.length < 0 {
				size = 1 // it begins as a small one
			}
			lease, err := limit.Acquire(t.Context(), "another", size)
			if err == nil {
				lease.Release()
			}
			if free := err == nil; free != (read < 4<<10) {
				t.Errorf("%s: after %d bytes the place is free: %v", name, read, free)
			}
			n := copy(p, tt.body[read:min(len(tt.body), read+max(512, read))]) // in few reads, each of which waits above
			read += n
			return n, nil
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/jobs", body)
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", tt.contentType)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d: %s", name, w.Code, w.Body)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestAnnouncedLengthIsBooked announces more bytes than the owner has left of the day, and
// sends none of the image: the refusal does not wait for them.
func TestAnnouncedLengthIsBooked(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "RATE_LIMIT=100/minute,100KiB/day", "IDLE_TIMEOUT=1h")
	for contentType, begin := range map[string]string{
		"image/png":                       "",
		"multipart/form-data; boundary=b": "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n",
	} {
		c := dial(t, s)
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, 500<<10, begin)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		text, err := io.ReadAll(a.Body)
		if a.StatusCode != http.StatusTooManyRequests || err != nil || !bytes.Contains(text, []byte("bytes of images per day")) {
			t.Errorf("%s: %s: %s", contentType, a.Status, text)
		}
	}
	wantNothing(t, s)
}

// TestUnknownSizeBeginsSmall uses up the budget of large uploads. The server accepts a small
// body of unknown size, and reads no more of a larger one than the size of a small one.
func TestUnknownSizeBeginsSmall(t *testing.T) {
	t.Parallel()
	share := limiter.Share{Bytes: 8 << 10, Uploads: 1, Wait: time.Millisecond}
	budget := limiter.New(limiter.Options{Small: share, Large: share})
	if _, err := budget.Acquire(t.Context(), "another", 0); err != nil {
		t.Fatal(err)
	}
	h := handler(t, func(o *httpapi.Options) { o.Limiter = budget })
	for size, want := range map[int]int{6 << 10: http.StatusAccepted, 20 << 10: http.StatusTooManyRequests} {
		img := small(t)
		body := &counted{r: bytes.NewReader(append(img, make([]byte, size-len(img))...))}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/jobs", body)
		r.ContentLength = -1
		r.Header.Set("Content-Type", "image/png")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || body.n > 8<<10 {
			t.Errorf("%d bytes: %d, of which %d are read: %s", size, w.Code, body.n, w.Body)
		}
		if lease, err := budget.Acquire(t.Context(), "another", 1); err != nil {
			t.Errorf("%d bytes: the budget of the small upload is not given back: %v", size, err)
		} else {
			lease.Release()
		}
	}
}

// TestNoOutputInTime takes the only place of outputs: another output is refused before
// storage is asked.
func TestNoOutputInTime(t *testing.T) {
	t.Parallel()
	places := limiter.NewPool(limiter.PoolOptions{Places: 1, Wait: time.Millisecond, Of: "outputs"})
	if _, ok := places.TryAcquire("another"); !ok {
		t.Fatal("there is no place")
	}
	h := handler(t, func(o *httpapi.Options) { o.Outputs = places })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+job.NewID().String()+"/output", nil))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many outputs") {
		t.Errorf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

// TestOutputsCountForTheirOwner has owners take what one of them may have: the owner who
// has it gets no more, and others are not concerned.
func TestOutputsCountForTheirOwner(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]int{job.Anonymous.Owner(): http.StatusTooManyRequests, "another": http.StatusNotFound} {
		places := limiter.NewPool(limiter.PoolOptions{Places: 2, Wait: time.Millisecond, Of: "outputs"})
		if _, ok := places.TryAcquire(owner); !ok {
			t.Fatal("there is no place")
		}
		h := handler(t, func(o *httpapi.Options) { o.Outputs = places })
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+job.NewID().String()+"/output", nil))
		if w.Code != want {
			t.Errorf("%s has one: %d, want %d: %s", owner, w.Code, want, w.Body)
		}
	}
}

// TestStalledOutputsGiveWay has a client take nothing of the only output that may be sent.
// The next output is sent all the same, long before the idle timeout.
func TestStalledOutputsGiveWay(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_OUTPUTS=1", "IDLE_TIMEOUT=1h", "PROCESSOR=exec:cat")
	image := append(small(t), make([]byte, 16<<20)...)
	a := s.Submit(t, image)
	defer s.StartWorker(t)()
	location := apptest.Await(t, a.Header.Get("Location")).Header.Get("Location")
	c := dial(t, s)
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", strings.TrimPrefix(location, s.URL))
	if _, err := c.Read(make([]byte, 1)); err != nil { // the output is under way
		t.Fatal(err)
	}
	next := apptest.Get(t, location)
	for tries := 1; next.StatusCode == http.StatusTooManyRequests && tries < 10; tries++ { // a busy machine needs more than one wait for the place
		next = apptest.Get(t, location)
	}
	if next.StatusCode != http.StatusOK || len(next.Bytes) != len(image) {
		t.Errorf("%s, %d bytes", next.Status, len(next.Bytes))
	}
}

// handler returns the handler of a service over twins that take everything for a PNG, with
// options that change sets.
func handler(t *testing.T, change func(*httpapi.Options)) http.Handler {
	t.Helper()
	store := jobtest.NewStore(t)
	o := httpapi.Options{
		Service: service.New(service.Config{
			Store: store, Queue: jobtest.NewQueue(t, store), Monitor: allows{}, Rules: anything{}, Inspector: anything{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Limits: service.Limits{MaxBytes: 1 << 20, InlineBytes: 1 << 20, MaxPixels: 1 << 20, UploadTTL: time.Hour, Retention: time.Hour, Settle: time.Minute},
		}),
		Auth: httpapi.Anonymous{}, Logger: slog.New(slog.DiscardHandler), MaxImageBytes: 1 << 20, Now: time.Now,
	}
	change(&o)
	h, _ := httpapi.New(o)
	return h
}

type allows struct{}

func (allows) Decide(context.Context, job.Access) job.Decision { return job.Decision{Allow: true} }

type anything struct{}

func (anything) Accepts(string) bool                                    { return true }
func (anything) CheckParams(job.Media, json.RawMessage) error           { return nil }
func (anything) Detect([]byte) string                                   { return "image/png" }
func (anything) Refusal([]byte, func(string) bool) string               { return "no image" }
func (anything) Inspect(int64) job.Inspection                           { return anything{} }
func (anything) InspectAt(io.ReaderAt, int64, int64) (job.Media, error) { return job.Media{}, nil }
func (anything) Write(p []byte) (int, error)                            { return len(p), nil }
func (anything) Finish() (job.Media, error)                             { return job.Media{}, nil }

// counted counts what is read of it.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
