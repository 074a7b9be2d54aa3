package s3store_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// standstill is a body that gives some bytes, and then none until its request ends.
type standstill struct {
	ctx  context.Context
	data io.Reader
}

func (s standstill) Read(p []byte) (int, error) {
	if n, err := s.data.Read(p); err != io.EOF {
		return n, err
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s standstill) Close() error { return nil }

func TestIdleBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stubbed(func(r *http.Request) (*http.Response, error) {
			resp := answer(r, http.StatusOK, "")
			resp.Body, resp.ContentLength = standstill{r.Context(), strings.NewReader("abc")}, 10
			return resp, nil
		}, s3store.Options{IdleTimeout: 30 * time.Second})
		c, err := s.Open(t.Context(), job.Output, job.NewID(), job.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Body.Close()
		p := make([]byte, 3)
		if _, err := io.ReadFull(c.Body, p); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour) // a reader may take its time
		begin := time.Now()
		_, err = c.Body.Read(p)
		wantKind(t, err, job.Unavailable)
		if waited := time.Since(begin); waited != 30*time.Second {
			t.Errorf("the body was given up after %v, want 30 s", waited)
		}
	})
}

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset by peer")
	s := stubbed(func(r *http.Request) (*http.Response, error) {
		resp := answer(r, http.StatusOK, "")
		resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("abc"), failing{broken})), 10
		return resp, nil
	}, s3store.Options{})
	c, err := s.Open(t.Context(), job.Output, job.NewID(), job.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Body.Close()
	got, err := io.ReadAll(c.Body)
	wantKind(t, err, job.Unavailable)
	if string(got) != "abc" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v; want abc and the connection's error", got, err)
	}
}

// TestOneRequest counts what reads ask of S3.
func TestOneRequest(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	j := jobtest.NewJob()
	if _, err := s.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	g, err := s.Stage(t.Context(), job.Output, j.ID, "image/png", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Commit(t.Context(), job.Condition{}); err != nil {
		t.Fatal(err)
	}
	env.ResetCount()
	if _, err := s.Load(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	c, err := s.Open(t.Context(), job.Output, j.ID, job.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.Body.Close()
	if got := env.Count(); got["S3 GetObject"] != 2 || len(got) != 1 {
		t.Errorf("Load and Open asked for %v, want one GetObject each", got)
	}
}

func TestDocumentTooLarge(t *testing.T) {
	t.Parallel()
	s := stubbed(func(r *http.Request) (*http.Response, error) {
		resp := answer(r, http.StatusOK, "")
		resp.Body, resp.ContentLength = io.NopCloser(endless{}), -1
		return resp, nil
	}, s3store.Options{})
	_, err := s.Load(t.Context(), job.NewID())
	wantKind(t, err, job.Corrupt)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
