package browser

import (
	"cmp"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
)

// object returns the bytes of a key in the bucket.
func object(t *testing.T, s *apptest.System, key string) string {
	t.Helper()
	out, err := s.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// imageOf returns the image of a job. If the job has an idempotency key, its document names the
// image.
func imageOf(t *testing.T, s *apptest.System, id string) string {
	t.Helper()
	var document struct{ UID string }
	if err := json.Unmarshal([]byte(object(t, s, "jobs/"+id)), &document); err != nil {
		t.Fatal(err)
	}
	return object(t, s, "input/"+cmp.Or(document.UID, id))
}

// jobs returns the number of job documents.
func jobs(t *testing.T, s *apptest.System) int {
	t.Helper()
	out, err := s.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: aws.String("jobs/")})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Contents)
}

// put stores a job document.
func put(t *testing.T, s *apptest.System, key, document string) {
	t.Helper()
	if _, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader(document), ContentType: aws.String("application/json")}); err != nil {
		t.Fatal(err)
	}
}
