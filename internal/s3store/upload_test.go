package s3store_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

const part = 5 << 20

// TestRequests counts what an upload asks of S3, step by step.
func TestRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name              string
		size              int64
		staged, committed map[string]int
	}{
		{"empty", 0, map[string]int{}, map[string]int{"S3 PutObject": 1}},
		{"one part", part, map[string]int{}, map[string]int{"S3 PutObject": 1}},
		{
			"a byte more", part + 1,
			map[string]int{"S3 CreateMultipartUpload": 1, "S3 UploadPart": 1},
			map[string]int{"S3 CreateMultipartUpload": 1, "S3 UploadPart": 2, "S3 CompleteMultipartUpload": 1},
		},
		{
			"three parts", 3 * part,
			map[string]int{"S3 CreateMultipartUpload": 1, "S3 UploadPart": 2},
			map[string]int{"S3 CreateMultipartUpload": 1, "S3 UploadPart": 3, "S3 CompleteMultipartUpload": 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			memory := s3store.NewMemory(s3store.MemoryOptions{})
			s := s3store.New(newClient(env), env.Bucket, s3store.Options{Memory: memory})
			g, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", jobtest.Bytes(1, tt.size))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Discard()
			if got := env.Count(); !maps.Equal(got, tt.staged) {
				t.Errorf("Stage asked for %v, want %v", got, tt.staged)
			}
			if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
				t.Fatal(err)
			}
			g.Discard()
			if got := env.Count(); !maps.Equal(got, tt.committed) {
				t.Errorf("the upload asked for %v, want %v", got, tt.committed)
			}
			wantUnused(t, memory)
		})
	}
}

// TestNothingIsLeft ends uploads of several parts in every way but by success.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("the client hung up")
	tests := map[string]func(t *testing.T, s *s3store.Store){
		"the reader fails": func(t *testing.T, s *s3store.Store) {
			_, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", io.MultiReader(jobtest.Bytes(1, 2*part+1), failing{broken}))
			if err != broken {
				t.Errorf("got %v, want the reader's error", err)
			}
		},
		"the context ends": func(t *testing.T, s *s3store.Store) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := s.Stage(ctx, job.Input, job.NewID(), "image/png",
				io.MultiReader(jobtest.Bytes(1, 2*part+1), calling(cancel), jobtest.Bytes(2, 2*part)))
			wantKind(t, err, job.Canceled)
		},
		"it is discarded": func(t *testing.T, s *s3store.Store) {
			ctx, cancel := context.WithCancel(t.Context())
			g, err := s.Stage(ctx, job.Input, job.NewID(), "image/png", jobtest.Bytes(1, 2*part+1))
			if err != nil {
				t.Fatal(err)
			}
			cancel() // Discard does its work all the same
			g.Discard()
			if _, err := g.Commit(t.Context(), job.Condition{}); err == nil {
				t.Error("Commit after Discard succeeded")
			}
		},
		"it has lost": func(t *testing.T, s *s3store.Store) {
			id := job.NewID()
			for range 2 {
				g, err := s.Stage(t.Context(), job.Input, id, "image/png", jobtest.Bytes(1, part+1))
				if err != nil {
					t.Fatal(err)
				}
				defer g.Discard()
				_, _ = g.Commit(t.Context(), job.Condition{Absent: true})
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			memory := s3store.NewMemory(s3store.MemoryOptions{})
			t.Run("", func(t *testing.T) {
				test(t, s3store.New(newClient(env), env.Bucket, s3store.Options{Memory: memory}))
			})
			left, err := env.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &env.Bucket})
			if err != nil {
				t.Fatal(err)
			}
			if len(left.Uploads) != 0 {
				t.Errorf("%d unfinished multipart uploads are left", len(left.Uploads))
			}
			if env.Count()["S3 CreateMultipartUpload"] == 0 {
				t.Error("there was no multipart upload to begin with")
			}
			wantUnused(t, memory)
		})
	}
}

// TestFewBuffers runs many uploads through hardly any memory: they must get through
// one after another, and never wait in a circle.
func TestFewBuffers(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	memory := s3store.NewMemory(s3store.MemoryOptions{Small: 2, SmallBytes: 1000, Large: 1})
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{Memory: memory})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			g, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", jobtest.Bytes(uint64(i), part+part/2))
			if err != nil {
				t.Error(err)
				return
			}
			defer g.Discard()
			if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantUnused(t, memory)
}

// TestStageLazyReaders stages what comes byte by byte, or not at all.
func TestStageLazyReaders(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	g, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", oneByOne{strings.NewReader("0123456789")})
	if err != nil || g.Size() != 10 {
		t.Fatalf("got %v, %v; want ten bytes", g, err)
	}
	g.Discard()
	if _, err = s.Stage(t.Context(), job.Input, job.NewID(), "image/png", idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v of a reader that never reads, want io.ErrNoProgress", err)
	}
}

// TestEndWithLastBytes stages sizes around the buffers' from readers that tell of their
// end together with the last bytes.
func TestEndWithLastBytes(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	memory := s3store.NewMemory(s3store.MemoryOptions{SmallBytes: 1000})
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{Memory: memory})
	for _, size := range []int64{999, 1000, 1001, part, part + 1} {
		g, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", iotest.DataErrReader(jobtest.Bytes(1, size)))
		if err != nil {
			t.Fatal(err)
		}
		if g.Size() != size {
			t.Errorf("staged %d bytes, want %d", g.Size(), size)
		}
		g.Discard()
	}
}

// TestPartOnItsWay hangs up while a part is on its way to S3: the upload is aborted after
// the part has arrived, since S3 may keep what arrives after the abort.
func TestPartOnItsWay(t *testing.T) {
	t.Parallel()
	for name, large := range map[string]int{"beside the reader": 2, "with no second buffer": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, hangUp := context.WithCancel(t.Context())
			arrived := make(chan struct{})
			w := &wire{}
			w.act = func(r *http.Request) (*http.Response, error) {
				switch {
				case r.URL.Query().Has("partNumber"):
					hangUp()
					time.AfterFunc(50*time.Millisecond, func() { close(arrived) })
					select {
					case <-r.Context().Done():
						return nil, r.Context().Err()
					case <-arrived:
					}
				case r.Method == http.MethodDelete:
					select {
					case <-arrived:
					default:
						t.Error("the upload is aborted while its part is on its way")
					}
				}
				return nil, nil
			}
			memory := s3store.NewMemory(s3store.MemoryOptions{Large: large})
			s := faulty(awstest.Start(t), w, s3store.Options{Memory: memory})
			_, err := s.Stage(ctx, job.Input, job.NewID(), "image/png", io.MultiReader(jobtest.Bytes(1, part+1), failing{errors.New("the client hung up")}))
			if err == nil || !slices.Contains(w.seen, http.MethodDelete) {
				t.Errorf("got %v and the requests %v, want a failure and an abort", err, w.seen)
			}
			wantUnused(t, memory)
		})
	}
}

// TestGivenUp ends a context while a part is stuck in S3: a caller that is canceled, or
// whose time is over, does not wait for it; in any case the buffer that is not on its way
// is free at once.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cause error
		waits bool
	}{
		"left":          {context.Canceled, true},
		"stopping":      {job.ErrStopping, false},
		"its time over": {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			ctx, stop := context.WithCancelCause(t.Context())
			if tt.cause == context.DeadlineExceeded {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				defer cancel()
			}
			sent, goOn := make(chan struct{}), make(chan struct{})
			send := sync.OnceFunc(func() { close(sent) })
			w := &wire{act: func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Has("partNumber") {
					send()
					select {
					case <-goOn:
					case <-r.Context().Done():
					}
					return nil, errors.New("connection reset by peer")
				}
				return nil, nil
			}}
			memory := s3store.NewMemory(s3store.MemoryOptions{Large: 2})
			s := faulty(env, w, s3store.Options{Memory: memory, PartTimeout: time.Hour, AbortTimeout: time.Hour})
			ended := make(chan error, 1)
			go func() {
				body := io.MultiReader(jobtest.Bytes(1, part+1), calling(func() {
					<-sent
					stop(tt.cause)
					<-ctx.Done()
				}), failing{errors.New("the client hung up")})
				_, err := s.Stage(ctx, job.Input, job.NewID(), "image/png", body)
				ended <- err
			}()
			<-ctx.Done()
			if tt.waits {
				for _, large := memory.InUse(); large != 1; _, large = memory.InUse() {
					time.Sleep(time.Millisecond)
				}
				select {
				case err := <-ended:
					t.Errorf("it did not wait for its part: %v", err)
				default:
				}
				close(goOn)
			}
			if err := <-ended; err == nil {
				t.Error("it succeeded")
			}
		})
	}
}

// TestStuckPart breaks off while a part is being sent that S3 does not take: no caller
// waits long for it.
func TestStuckPart(t *testing.T) {
	t.Parallel()
	broken := errors.New("the client hung up")
	w := &wire{act: func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Has("partNumber") {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return nil, nil
	}}
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	s := faulty(awstest.Start(t), w, s3store.Options{Memory: memory, PartTimeout: time.Hour, AbortTimeout: 50 * time.Millisecond})
	_, err := s.Stage(t.Context(), job.Input, job.NewID(), "image/png", io.MultiReader(jobtest.Bytes(1, part+1), failing{broken}))
	if err != broken {
		t.Errorf("got %v, want the reader's error", err)
	}
	wantUnused(t, memory)
}

func TestTooManyParts(t *testing.T) {
	t.Parallel()
	wantKind(t, s3store.ShipLast(t.Context()), job.TooLarge)
}

type oneByOne struct{ r io.Reader }

// Read returns one byte, and the end together with the last.
func (o oneByOne) Read(p []byte) (int, error) {
	n, err := o.r.Read(p[:1])
	if s := o.r.(*strings.Reader); s.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// calling is a reader of no bytes that calls a function.
type calling func()

func (c calling) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

func wantUnused(t *testing.T, memory *s3store.Memory) {
	t.Helper()
	if small, large := memory.InUse(); small != 0 || large != 0 {
		t.Errorf("%d small and %d large buffers were not given back", small, large)
	}
}
