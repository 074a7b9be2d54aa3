package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/worker"
)

// TestRefusalsOfStorageCount has storage answer a worker with a refusal that is not an outage,
// such as a 400 to the result's upload.
func TestRefusalsOfStorageCount(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpOpen, jobtest.OpStage, jobtest.OpCommit} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := s.submit(t, "IMG one")
			s.store.Inject(jobtest.Fault{Op: op, Err: fmt.Errorf("400 InvalidArgument")})
			s.drain(t)
			if d := s.document(t, j.ID); d.Status != job.Failed || d.Attempts != 3 || d.Message != "given up after 3 attempts: storage failed" {
				t.Errorf("%s after %d attempts: %q", d.Status, d.Attempts, d.Message)
			}
			if n := s.processor.calls.Load(); n > 3 {
				t.Errorf("it was processed %d times", n)
			}
		})
	}
}

// TestInterruptionsAreBounded has every attempt cut off by what counts for nothing, without
// end: the job ends all the same, after a number of attempts and a time that are known.
func TestInterruptionsAreBounded(t *testing.T) {
	t.Parallel()
	for _, cause := range []string{"storage", "stop"} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := s.submit(t, "IMG one")
			var stop context.CancelCauseFunc // of the worker that runs
			if cause == "storage" {
				s.store.Inject(jobtest.Fault{Op: jobtest.OpCommit})
			} else {
				s.processor.do = func(ctx context.Context, _ job.Task) (*job.Result, error) {
					stop(job.ErrStopping)
					<-ctx.Done()
					return nil, ctx.Err()
				}
			}
			var took time.Duration
			runs := 0
			for ; s.queue.Len() > 0 && runs < 200; runs++ {
				d := s.receive(t)
				out := func() worker.Outcome {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					stop = cancel
					return s.runner.Run(ctx, d)
				}()
				if err := worker.Settle(t.Context(), s.queue, d, out); err != nil {
					t.Fatal(err)
				}
				took += out.After
				s.advance(out.After + time.Second)
			}
			if d := s.document(t, j.ID); d.Status != job.Failed || d.Attempts != 3 || d.Interruptions != 100 {
				t.Errorf("%s after %d attempts and %d interruptions: %q", d.Status, d.Attempts, d.Interruptions, d.Message)
			}
			if n := s.processor.calls.Load(); n != 103 {
				t.Errorf("it was processed %d times", n)
			}
			if cause == "storage" && (took < 6*time.Hour || took > 12*time.Hour) {
				t.Errorf("an outage of %s ends the job", took)
			}
		})
	}
}

// TestMediaTypeOfAResult checks that storage gets a media type and nothing else, whatever a
// processor says of its result.
func TestMediaTypeOfAResult(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"image/webp": "image/webp", "Image/WebP; q=1": "image/webp", "application/vnd.x+json": "application/vnd.x+json",
		"image/" + strings.Repeat("x", 5000): "image/png", "image/x\r\nX-Amz-Acl: public-read": "image/png", "image/é": "image/png",
		"picture": "image/png", "image/": "image/png", "/png": "image/png", "": "image/png",
	}
	for said, want := range tests {
		s := newSystem(t)
		s.processor.do = func(context.Context, job.Task) (*job.Result, error) {
			return &job.Result{ContentType: said, Body: io.NopCloser(strings.NewReader("IMG a picture"))}, nil
		}
		j := s.submit(t, "IMG one")
		s.drain(t)
		if d := s.document(t, j.ID); d.Output == nil || d.Output.ContentType != want {
			t.Errorf("%.40q is stored as %+v, want %s", said, d.Output, want)
		}
	}
}
