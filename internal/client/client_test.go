package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"claimcheck.example/internal/client"
)

// script is a server that gives one answer after the other, and records its requests.
type script struct {
	mu      sync.Mutex // guards the fields below
	answers []http.HandlerFunc
	seen    []*http.Request
	bodies  []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	s.seen, s.bodies = append(s.seen, r), append(s.bodies, string(b))
	s.mu.Unlock()
	next(w, r)
}

func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// serve starts a server for the script, in which {} is a placeholder for its own URL.
func serve(t *testing.T, token string, answers ...http.HandlerFunc) (*client.Client, *script, string) {
	t.Helper()
	s := &script{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "X-Token", token)
	if err != nil {
		t.Fatal(err)
	}
	return c, s, server.URL
}

func image(content string) client.Image {
	return client.Image{Content: strings.NewReader(content), Size: int64(len(content)), ContentType: "image/png", Key: "key"}
}

// TestSubmitIsRepeatedWhole has a submit fail in each temporary way: every try is the
// whole image under the same key.
func TestSubmitIsRepeatedWhole(t *testing.T) {
	t.Parallel()
	c, s, _ := serve(t, "", hangsUp, says(503, "busy", "Retry-After", "1"), says(429, `{"detail":"slowly"}`),
		says(202, `{"job_id":"1","location":"https://jobs.example/jobs/1"}`))
	got, err := c.Submit(t.Context(), image("picture"))
	if err != nil || got != (client.Check{ID: "1", URL: "https://jobs.example/jobs/1"}) {
		t.Fatalf("%q, %v", got, err)
	}
	if len(s.seen) != 4 {
		t.Errorf("%d tries", len(s.seen))
	}
	for i, r := range s.seen {
		if s.bodies[i] != "picture" || r.Header.Get("Idempotency-Key") != "key" || r.Header.Get("Content-Type") != "image/png" || r.ContentLength != 7 {
			t.Errorf("try %d: %q, %v", i+1, s.bodies[i], r.Header)
		}
	}
}

// TestMistakesAreNotRepeated has the server refuse: its sentence is the error.
func TestMistakesAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 409, 413, 415, 422} {
		c, s, _ := serve(t, "", says(status, `{"detail":"it is so and so"}`))
		_, err := c.Submit(t.Context(), image("picture"))
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != status || err.Error() != "it is so and so" {
			t.Errorf("%d: %v", status, err)
		}
		if len(s.seen) != 1 {
			t.Errorf("%d: %d tries", status, len(s.seen))
		}
	}
}

// TestTokenGoesToTheServerAlone has the server offer an upload elsewhere, use another
// name for itself, and redirect.
func TestTokenGoesToTheServerAlone(t *testing.T) {
	t.Parallel()
	storage := &script{answers: []http.HandlerFunc{says(500, ""), says(200, "")}}
	elsewhere := httptest.NewServer(storage)
	t.Cleanup(elsewhere.Close)
	c, s, _ := serve(t, "secret",
		says(413, fmt.Sprintf(`{"detail":"too large","job_id":"1","location":"https://public.example/jobs/1","upload":{"method":"PUT","url":"%s/b/k","headers":{"Content-Type":"image/png","Content-Length":"7"}}}`, elsewhere.URL)),
		says(202, `{}`), says(302, "", "Location", elsewhere.URL+"/jobs/1"))
	got, err := c.Submit(t.Context(), image("picture"))
	if err != nil || got.URL != "https://public.example/jobs/1" {
		t.Fatalf("%q, %v", got, err)
	}
	if want := []string{"picture", "picture"}; !slices.Equal(storage.bodies, want) {
		t.Errorf("storage got %q", storage.bodies)
	}
	if p := s.seen[1].URL.Path; p != "/jobs/1/commit" {
		t.Errorf("after the upload the client asked for %s", p)
	}
	if _, err := c.Status(t.Context(), "1", false); err == nil {
		t.Error("a redirection is followed")
	}
	for _, r := range s.seen {
		if r.Header.Get("X-Token") != "Bearer secret" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s bears %v", r.Method, r.URL, r.Header)
		}
	}
	for _, r := range storage.seen {
		if h := r.Header.Get("X-Token"); h != "" {
			t.Errorf("storage gets %q", h)
		}
	}
}

// TestDeletedBefore loses the answer to a delete: the repeat's 404 is its effect.
func TestDeletedBefore(t *testing.T) {
	t.Parallel()
	c, _, _ := serve(t, "", hangsUp, says(404, `{"detail":"no such job"}`))
	if err := c.Delete(t.Context(), "1"); err != nil {
		t.Errorf("after a lost answer: %v", err)
	}
	c, _, _ = serve(t, "", says(404, `{"detail":"no such job"}`))
	if err := c.Delete(t.Context(), "1"); err == nil {
		t.Error("a job that never was is deleted")
	}
}

// TestWaitPausesBetweenRequests has a server that does not wait: the client pauses between
// requests.
func TestWaitPausesBetweenRequests(t *testing.T) {
	t.Parallel()
	c, s, own := serve(t, "", says(200, `{"status":"pending"}`), says(200, `{"status":"processing"}`), says(201, `{"status":"completed"}`))
	j, err := c.Status(t.Context(), own+"/jobs/1/output", true)
	if err != nil || j.Status != "completed" || j.URL != own+"/jobs/1" {
		t.Errorf("%+v, %v", j, err)
	}
	for _, r := range s.seen {
		if r.Header.Get("Prefer") != "wait=50" {
			t.Errorf("Prefer is %q", r.Header.Get("Prefer"))
		}
	}
}

// TestOutputIsVerified changes an output on its way.
func TestOutputIsVerified(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("result"))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for body, good := range map[string]bool{"result": true, "resuIt": false, "": false} {
		c, _, _ := serve(t, "", says(200, body, "Repr-Digest", digest))
		r, err := c.Output(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); (err == nil) != good {
			t.Errorf("%q: %v", body, err)
		}
		r.Body.Close()
	}
}

// TestStrangers has another kind of server answer at the address.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for _, answer := range []http.HandlerFunc{says(200, "<html>"), says(200, "{}"), says(202, "hello")} {
		c, _, _ := serve(t, "", answer)
		if _, err := c.Submit(t.Context(), image("x")); err == nil || !strings.Contains(err.Error(), "not as a Claimcheck server does") {
			t.Errorf("%v", err)
		}
	}
	for _, u := range []string{"", "localhost:8080", "ftp://x", "https://x/?a=b", "https://u:p@x"} {
		if _, err := client.New(u, "Authorization", ""); err == nil {
			t.Errorf("%q is taken for a server", u)
		}
	}
	for _, h := range []string{"", "X Token", "X-Token:", "X-Token\r\nHost"} {
		if _, err := client.New("http://127.0.0.1:1", h, "secret"); err == nil {
			t.Errorf("%q is taken for the name of a header", h)
		}
	}
}

// TestGivesUp has no server answer: the tries are bounded, and so is the time.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New("http://127.0.0.1:1", "Authorization", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = c.Status(ctx, "1", false)
		if _, ok := errors.AsType[*client.Unreachable](err); !ok || !strings.Contains(err.Error(), "127.0.0.1:1 does not answer") {
			t.Errorf("%v", err)
		}
		cancel()
		if _, err := c.Status(ctx, "1", true); !errors.Is(err, context.Canceled) {
			t.Errorf("after a Ctrl-C: %v", err)
		}
	})
}
