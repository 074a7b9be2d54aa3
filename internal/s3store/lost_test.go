package s3store_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// TestLostAnswers loses the answers to writes that took effect: the first, so that the
// SDK's repetition meets its own work, and all of them.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	puts := func(r *http.Request) bool { return r.Method == http.MethodPut }
	completes := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	commit := func(size int, condition job.Condition) func(*testing.T, *s3store.Store, job.ID) error {
		return func(t *testing.T, s *s3store.Store, id job.ID) error {
			g, err := s.Stage(t.Context(), job.Input, id, "image/png", jobtest.Bytes(1, int64(size)))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Discard()
			tag, err := g.Commit(t.Context(), condition)
			if err != nil {
				return err
			}
			c, err := s.Stat(t.Context(), job.Input, id)
			if err == nil && c.Tag != tag {
				t.Errorf("Commit returned tag %q, stored is %q", tag, c.Tag)
			}
			return err
		}
	}
	tests := []struct {
		name  string
		match func(*http.Request) bool
		write func(*testing.T, *s3store.Store, job.ID) error
	}{
		{"Create", puts, func(t *testing.T, s *s3store.Store, id job.ID) error {
			j := jobtest.NewJob()
			j.ID = id
			_, err := s.Create(t.Context(), j)
			return err
		}},
		{"Commit of a small object", puts, commit(10, job.Condition{Absent: true})},
		{"Commit of a large object", completes, commit(part+1, job.Condition{Absent: true})},
		{"unconditional Commit of a large object", completes, commit(part+1, job.Condition{})},
	}
	for _, tt := range tests {
		for lost, n := range map[string]int{"the first answer": 1, "every answer": 1000} {
			t.Run(tt.name+"/"+lost, func(t *testing.T) {
				t.Parallel()
				s := faulty(awstest.Start(t), &wire{lose: nth(n, tt.match)}, s3store.Options{})
				if err := tt.write(t, s, job.NewID()); err != nil {
					t.Errorf("the write took effect, but its writer gets %v", err)
				}
			})
		}
	}
}

func TestLostSwap(t *testing.T) {
	t.Parallel()
	for lost, n := range map[string]int{"the first answer": 1, "every answer": 1000} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			calm := s3store.New(newClient(env), env.Bucket, s3store.Options{})
			j := jobtest.NewJob()
			version, err := calm.Create(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			j.Version = version
			w := &wire{lose: nth(n, func(r *http.Request) bool { return r.Method == http.MethodPut })}
			next := jobtest.Claimed(j, "worker")
			version, err = faulty(env, w, s3store.Options{}).Swap(t.Context(), next)
			if err != nil {
				t.Fatalf("the swap took effect, but its writer gets %v", err)
			}
			got, err := calm.Load(t.Context(), j.ID)
			if err != nil || got.Version != version || got.Revision != next.Revision {
				t.Errorf("got %+v, %v; want revision %s at version %s", got, err, next.Revision, version)
			}
		})
	}
}

// TestDoubt fails writes before they take effect: no writer may get success or a
// conflict.
func TestDoubt(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	w := &wire{act: func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			return answer(r, http.StatusServiceUnavailable, "SlowDown"), nil
		}
		return nil, nil
	}}
	s := faulty(env, w, s3store.Options{})
	j := jobtest.NewJob()
	_, err := s.Create(t.Context(), j)
	wantKind(t, err, job.Unavailable)
	j.Version = "0123"
	_, err = s.Swap(t.Context(), j)
	wantKind(t, err, job.Unavailable)
	g, err := s.Stage(t.Context(), job.Input, j.ID, "image/png", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Discard()
	_, err = g.Commit(t.Context(), job.Condition{Absent: true})
	wantKind(t, err, job.Unavailable)

	w.act = nil // S3 is back: the bytes must still be there
	if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
		t.Fatalf("Commit after an error: %v", err)
	}
	c, err := s.Open(t.Context(), job.Input, j.ID, job.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(c.Body); err != nil || got.String() != "x" {
		t.Errorf("read %q, %v; want x", got.String(), err)
	}
}

// TestPartsAgain fails the last part and the completion of a large object once each:
// Commit may be called until it succeeds.
func TestPartsAgain(t *testing.T) {
	t.Parallel()
	refused := map[string]bool{}
	w := &wire{}
	s := faulty(awstest.Start(t), w, s3store.Options{})
	const size = 2*(5<<20) + 1
	id := job.NewID()
	g, err := s.Stage(t.Context(), job.Output, id, "image/png", jobtest.Bytes(1, size))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Discard()
	w.act = func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Has("uploadId") && !refused[r.Method] {
			refused[r.Method] = true
			return answer(r, http.StatusForbidden, "AccessDenied"), nil
		}
		return nil, nil
	}
	for range 2 {
		_, err := g.Commit(t.Context(), job.Condition{Absent: true})
		wantKind(t, err, job.Misconfigured)
	}
	if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Stat(t.Context(), job.Output, id)
	if err != nil || c.Size != size {
		t.Errorf("got %+v, %v; want %d bytes", c, err, size)
	}
}

func wantKind(t *testing.T, err error, k job.Kind) {
	t.Helper()
	if err == nil || job.KindOf(err) != k {
		t.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), k)
	}
	if job.MessageOf(err) == "" {
		t.Errorf("the error %v has no sentence for the client", err)
	}
}
