package lifecycle_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// computing is a presigner of a storage that computes digests.
type computing struct {
	presigner
	sum, tag string
}

func (c *computing) UploadedDigest(context.Context, job.ID) (sum, tag string, err error) {
	return c.sum, c.tag, nil
}

// TestAnnouncedDigest uploads an image with a digest to a storage that does not compare
// them. The commit compares the digest that storage has computed. Where it has none the
// worker compares, also for a processor that does not read the image to its end.
func TestAnnouncedDigest(t *testing.T) {
	t.Parallel()
	const image = "IMG one"
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	tests := map[string]struct {
		announced, computed, tag string
		commit                   job.Kind
		want                     job.Status
	}{
		"computed, the same":     {announced: digest(image), computed: digest(image), want: job.Completed},
		"computed, another one":  {announced: digest("another"), computed: digest(image), commit: job.Invalid, want: job.Failed},
		"of another object":      {announced: digest(image), computed: digest(image), tag: "another", commit: job.Conflict, want: job.Pending},
		"not computed, the same": {announced: digest(image), want: job.Completed},
		"not computed, another":  {announced: digest("another"), want: job.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := &computing{sum: tt.computed, tag: tt.tag}
			s := newSystemWith(t, func(c *service.Config) {
				storage.presigner = c.Presigner.(presigner)
				c.Presigner = storage
			})
			s.processor.do = func(_ context.Context, t job.Task) (*job.Result, error) {
				_, err := io.ReadFull(t.Image, make([]byte, 2)) // and no more
				return result("done"), err
			}
			j, err := s.post(t.Context(), alice, service.Submission{
				ContentType: "image/png", Size: int64(len(image)), SHA256: tt.announced,
				Rest: func() (json.RawMessage, error) { return nil, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			s.uploaded(t, j.ID, "image/png", image)
			if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); tt.commit == job.Unknown && err != nil || tt.commit != job.Unknown && job.KindOf(err) != tt.commit {
				t.Fatalf("commit: got %v (%v), want %v", err, job.KindOf(err), tt.commit)
			}
			if tt.want != job.Pending {
				s.drain(t)
			}
			got := s.document(t, j.ID)
			if got.Status != tt.want || tt.want == job.Completed && got.Input.SHA256 != tt.announced {
				t.Errorf("the job is %s with %+v: %s; want %s", got.Status, got.Input, got.Message, tt.want)
			}
			if tt.want == job.Failed && tt.commit == job.Unknown && !strings.Contains(got.Message, "not the one that was submitted") {
				t.Errorf("it failed for %q", got.Message)
			}
		})
	}
}
