package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

var duration = flag.Duration("chaos.for", 5*time.Second, "how long the chaos lasts")

func TestMain(m *testing.M) {
	process.RunBackend()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	os.Exit(overlap.Run(m))
}

func TestNothingIsLostAndNothingDoneTwice(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh") // a processor that takes its time
	err := run(t.Context(), options{
		duration: *duration, killEvery: 1100 * time.Millisecond, faultEvery: 1100 * time.Millisecond,
		clients: 4, workers: 2, seed: uint64(time.Now().UnixNano()), root: "../../..",
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsLostOnADatabase runs with PostgreSQL and a folder.
func TestNothingIsLostOnADatabase(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	pgtest.Programs(t)
	err := run(t.Context(), options{
		duration: *duration, killEvery: 1100 * time.Millisecond, clients: 4, workers: 2,
		seed: uint64(time.Now().UnixNano()), root: "../../..", database: true,
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheAuditNotices breaks promises and has the audit find them.
func TestTheAuditNotices(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	o := options{duration: 2 * time.Second, clients: 2, workers: 1, root: "../../.."}
	s, err := newHarness(t.Context(), o, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.clear()
	start, c := time.Now(), newClients(s.url)
	s.receiver.status = c.over
	id, status, err := c.post(t.Context(), &order{image: picture(1, false), key: "key", webhook: s.receiver.server.URL}, true)
	if err != nil || status >= 300 {
		t.Fatalf("submit: %d, %v", status, err)
	}
	c.promised[id] = &promise{sum: sha256.Sum256(picture(2, false))}
	c.promised["00000000-0000-4000-8000-000000000000"] = &promise{}
	for range 2 {
		s.ends.line([]byte(`{"job_id":"` + id + `","ended":true}`))
	}
	a := newAWSAuditor(s)
	bucket, key := aws.String(process.Bucket), aws.String("input/00000000-0000-4000-8000-000000000001")
	if _, err := a.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("an orphan")}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.s3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	entries, err := a.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("lists/")})
	if err != nil || len(entries.Contents) != 1 {
		t.Fatalf("the list has %v, %v", entries, err)
	}
	if _, err := a.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: entries.Contents[0].Key}); err != nil {
		t.Fatal(err)
	}
	doc := strings.NewReader(`{"job_id":"00000000-0000-4000-8000-000000000002","status":"pending","updated_at":"` + start.Format(time.RFC3339) + `"}`)
	if _, err := a.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("jobs/00000000-0000-4000-8000-000000000002"), Body: doc}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		where string
		from  time.Time
		want  int
	}{{"sqs", start, 8}, {"s3", start.Add(-time.Hour), 8}, {"s3", start, 5}} {
		s.troubles = []trouble{{tt.where, tt.from, tt.from.Add(time.Minute)}}
		r, err := audit(t.Context(), s, c)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.broken) != tt.want {
			t.Errorf("with a trouble at %s, a wrong output, a lost job, a job ended twice, one that is not in the list, an unexplained one and leftovers are reported as %q", tt.where, r.broken)
		}
		if r.webhooks != 1 {
			t.Errorf("%d webhooks are delivered, want that of the job", r.webhooks)
		}
		if r.print(t.Output(), s, c) == nil {
			t.Error("the report is content")
		}
	}
}

// TestNoSignatureInAStory fails an upload, whose URL must not appear.
func TestNoSignatureInAStory(t *testing.T) {
	c := newClients("")
	_, _, err := c.do(t.Context(), "PUT", "http://127.0.0.1:1/input?X-Amz-Signature=secret", nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the URL", err)
	}
}

// TestTheReceiverNotices breaks the promises of webhooks.
func TestTheReceiverNotices(t *testing.T) {
	t.Parallel()
	r := newReceiver(1)
	defer r.server.Close()
	r.status = func(_ context.Context, id string) (bool, error) { return id != "early", nil }
	post := func(event, id, kind, status string) {
		body := strings.NewReader(`{"type":"` + kind + `","data":{"job_id":"` + id + `","status":"` + status + `"}}`)
		for range 20 { // some tries fail, and some ask
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Webhook-Id", event)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
			_, _ = body.Seek(0, io.SeekStart)
		}
	}
	post("e1", "one", "job.completed", "completed")
	jobs := map[string]*job.Job{
		"one":        {Status: job.Completed, WebhookDue: true},
		"undue":      {Status: job.Completed},
		"deleted":    {Status: job.Failed, WebhookDue: true, Deleted: true},
		"unfinished": {Status: job.Processing},
	}
	good := &report{}
	if r.audit(good, jobs); len(good.broken) != 0 {
		t.Errorf("kept promises are reported as %q", good.broken)
	}
	post("e1", "two", "job.completed", "completed")   // the same event of another job
	post("e3", "one", "job.completed", "completed")   // another event of the same job
	post("e4", "four", "job.completed", "canceled")   // what the event says differs from its type
	post("e5", "early", "job.completed", "completed") // before the job is over
	post("e6", "six", "job.canceled", "canceled")
	jobs["six"] = &job.Job{Status: job.Completed, WebhookDue: true} // and the document says otherwise
	jobs["seven"] = &job.Job{Status: job.StatusCanceled, WebhookDue: true}
	bad := &report{}
	r.audit(bad, jobs)
	for _, want := range []string{"webhook e1 names", "job one has the webhooks", "webhook e4 of job four", "while job early was not over", "webhook e6 says that job six is canceled, and it is completed", "job seven is canceled, and its webhook was not delivered"} {
		if !slices.ContainsFunc(bad.broken, func(b string) bool { return strings.Contains(b, want) }) {
			t.Errorf("%q is not in %q", want, bad.broken)
		}
	}
}
