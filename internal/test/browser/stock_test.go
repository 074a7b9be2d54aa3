package browser

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// aged is a job of the anonymous owner that was created some time ago.
func aged(age time.Duration) *job.Job {
	j := jobtest.NewJob()
	j.Owner = job.Anonymous.Owner()
	j.CreatedAt = time.Now().Add(-age).UTC().Truncate(time.Millisecond)
	j.UpdatedAt = j.CreatedAt
	j.Input = job.Media{ContentType: "image/png", SizeBytes: 180_000, Width: 600, Height: 400, SHA256: strings.Repeat("a", 64)}
	j.Requests = &job.Counted{Requests: job.Requests{StoreWrites: 3, StoreReads: 1, Queue: 1}}
	return j
}

// ended returns j after one attempt of a worker that counts its requests.
func ended(j *job.Job, as job.Status, message string) *job.Job {
	j.Attempts, j.WorkSeconds, j.Message = 1, 0.25, message
	j.StartedAt = j.CreatedAt.Add(time.Second)
	j.Finish(as, j.CreatedAt.Add(2*time.Second))
	j.UpdatedAt = j.EndedAt
	j.Requests = &job.Counted{Requests: job.Requests{StoreWrites: 7, StoreReads: 2, Queue: 3}, Attempts: 1}
	return j
}

// stock stores jobs with their entries in the list and in the usage, and the same result for
// each that is completed.
func stock(t *testing.T, s *apptest.System, result []byte, jobs ...*job.Job) {
	t.Helper()
	store := s3store.New(s.S3, s.Bucket, s3store.Options{})
	var all errgroup.Group
	all.SetLimit(8)
	for _, j := range jobs {
		all.Go(func() error {
			if j.Status == job.Completed {
				j.Output = &job.Media{ContentType: "image/png", SizeBytes: int64(len(result))}
				if _, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: &s.Bucket, Key: aws.String("output/" + string(j.OutputObject())), Body: bytes.NewReader(result), ContentType: &j.Output.ContentType,
				}); err != nil {
					return err
				}
			}
			if _, err := store.Create(t.Context(), j); err != nil {
				return err
			}
			if j.Status.Over() {
				if err := j.RecordUsage(t.Context(), store); err != nil {
					return err
				}
			}
			return store.Enlist(t.Context(), j)
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}
