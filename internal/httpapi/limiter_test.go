package httpapi_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/iotest"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/limiter"
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
	second := post(io.MultiReader(bytes.NewReader(img), bytes.NewReader(make([]byte, 1<<20))))
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

// TestNoRoomInTime takes all the room there is: whatever else comes gets 429, unread.
func TestNoRoomInTime(t *testing.T) {
	t.Parallel()
	share := limiter.Share{Bytes: 1 << 10, Uploads: 1, Wait: time.Millisecond}
	room := limiter.New(limiter.Options{Small: share, Large: share})
	for _, size := range []int64{1, 0} {
		if _, err := room.Acquire(t.Context(), "another", size); err != nil {
			t.Fatal(err)
		}
	}
	h, _ := httpapi.New(httpapi.Options{Auth: httpapi.Anonymous{}, Logger: slog.New(slog.DiscardHandler), Limiter: room, MaxImageBytes: 1 << 20, Now: time.Now})
	tests := map[string]struct {
		contentType string
		length      int64
	}{
		"small":        {"image/png", 1 << 10},
		"large":        {"image/png", 1 << 20},
		"size unknown": {"image/png", -1},
		"a form":       {"multipart/form-data; boundary=x", 2 << 10},
	}
	for name, tt := range tests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/jobs", iotest.ErrReader(errors.New("was read")))
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", tt.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		after, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != http.StatusTooManyRequests || err != nil || after < 1 || after > 4 {
			t.Errorf("%s: %d, Retry-After %q: %s", name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}
