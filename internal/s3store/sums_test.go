package s3store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
)

const alice = "https://issuer.example/|alice"

// billed returns a completed job that ended at a time.
func billed(ended time.Time) *job.Job {
	return &job.Job{
		ID: job.NewID(), Owner: alice, Status: job.Completed, Attempts: 1, CreatedAt: ended, UpdatedAt: ended, EndedAt: ended,
		Input: job.Media{SizeBytes: 100, Width: 3, Height: 4}, Output: &job.Media{SizeBytes: 7}, WorkSeconds: 0.1, Requests: &job.Counted{Requests: job.Requests{StoreWrites: 7, StoreReads: 2, Queue: 3}, Attempts: 1},
	}
}

func record(t *testing.T, s *s3store.Store, jobs ...*job.Job) {
	t.Helper()
	for _, j := range jobs {
		if err := j.RecordUsage(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// wantSums compares sums with what the records themselves say, and returns the number of
// jobs.
func wantSums(t *testing.T, s *s3store.Store, from, to time.Time) (jobs int) {
	t.Helper()
	got, err := s.SumUsage(t.Context(), alice, from, to)
	if err != nil {
		t.Fatal(err)
	}
	var want []job.UsageDay
	for u, err := range job.Bill(s.ReadUsage(t.Context(), alice, from, to), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		want = u.Days
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
	for _, d := range got {
		jobs += d.Jobs
	}
	return jobs
}

// TestSumsOfDaysAreKept asks for days of two months again and again. Records are read once,
// until a record arrives late.
func TestSumsOfDaysAreKept(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	first := time.Date(2026, 2, 27, 23, 59, 0, 0, time.UTC)
	day := func(n int) time.Time { return first.AddDate(0, 0, n) }
	for n := range 4 {
		record(t, s, billed(day(n)), billed(day(n)), billed(day(n)))
	}
	redriven := billed(day(1))
	redriven.Status, redriven.Message, redriven.Requests = job.Failed, "it failed", nil
	record(t, s, redriven)

	reads := func() int {
		t.Helper()
		env.ResetCount()
		if _, err := s.SumUsage(t.Context(), alice, day(0), day(30)); err != nil {
			t.Fatal(err)
		}
		return env.Count()["S3 GetObject"]
	}
	if n := wantSums(t, s, day(0), day(30)); n != 13 {
		t.Errorf("%d jobs, want 13", n)
	}
	if n := reads(); n != 2 {
		t.Errorf("%d reads, want one for each month", n)
	}
	// The redriven job ends once more, days later: its bill is the one that it has.
	redriven.Requeue(day(20))
	redriven.Attempts = 1
	redriven.Finish(job.Completed, day(20))
	record(t, s, redriven)
	if n := reads(); n != 2 {
		t.Errorf("%d reads after a redriven job's end, want one for each month", n)
	}
	// A worker that was lost before it could bill a job is replaced days later.
	record(t, s, billed(day(1)))
	if n := wantSums(t, s, day(0), day(30)); n != 14 {
		t.Errorf("%d jobs with a late one, want 14", n)
	}
	if n := reads(); n != 2 {
		t.Errorf("%d reads after a late record was summed up, want one for each month", n)
	}
	// A part of a month, beside what is kept of all of it.
	if n := wantSums(t, s, day(1), day(2)); n != 8 {
		t.Errorf("%d jobs on two days, want 8", n)
	}
	if n := reads(); n != 2 {
		t.Errorf("%d reads after a shorter question, want one for each month", n)
	}
	// A record in the place of another: as many as before, and another sum.
	gone := billed(day(3))
	gone.Input.SizeBytes = 1
	key := keyWith(t, env, day(3).Format(time.DateOnly))
	if _, err := newClient(env).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &env.Bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	record(t, s, gone)
	wantSums(t, s, day(0), day(30))
}

// keyWith returns the first key that contains part.
func keyWith(t *testing.T, env *awstest.Env, part string) string {
	t.Helper()
	keys := env.Keys(t)
	i := slices.IndexFunc(keys, func(key string) bool { return strings.Contains(key, part) })
	if i < 0 {
		t.Fatalf("no key with %s among %q", part, keys)
	}
	return keys[i]
}

// TestSumOfTodayIsNotKept asks for a day that goes on.
func TestSumOfTodayIsNotKept(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	now := time.Now().Add(time.Minute) // at midnight, tomorrow
	record(t, s, billed(now))
	wantSums(t, s, now, now)
	for _, key := range env.Keys(t) {
		if strings.Contains(key, "/sums/") {
			t.Errorf("%s is kept", key)
		}
	}
}

// TestDamagedSumsAreMadeAnew puts something else in the place of kept sums.
func TestDamagedSumsAreMadeAnew(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	day := time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)
	record(t, s, billed(day))
	wantSums(t, s, day, day)
	key := keyWith(t, env, "/sums/2026-02")
	if _, err := newClient(env).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &env.Bucket, Key: &key, Body: strings.NewReader(`{"days":`)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := wantSums(t, s, day, day); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
	}
}

// TestConcurrentQuestions asks two stores of one bucket at once while late records arrive.
// No answer lacks a record that was there before the question, and the last is exact.
func TestConcurrentQuestions(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	first := time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 0, 4)
	writer := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	var mu sync.Mutex // guards written
	written := 0
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return written
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := range 20 {
			record(t, writer, billed(first.AddDate(0, 0, n%5)))
			mu.Lock()
			written++
			mu.Unlock()
		}
	})
	for range 2 {
		s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
		for range 2 {
			all.Go(func() {
				for range 8 {
					before := count()
					days, err := s.SumUsage(t.Context(), alice, first, last)
					if err != nil {
						t.Error(err)
						return
					}
					jobs := 0
					for _, d := range days {
						jobs += d.Jobs
					}
					if jobs < before {
						t.Errorf("%d jobs, and %d had been billed before", jobs, before)
					}
				}
			})
		}
	}
	all.Wait()
	if n := wantSums(t, writer, first, last); n != 20 {
		t.Errorf("%d jobs in the end, want 20", n)
	}
}

// bucket is an S3 in memory, as large as a test wants it, that counts what is read.
type bucket struct {
	mu      sync.Mutex // guards all
	keys    []string   // of records, in order
	objects map[string][]byte
	reads   int
}

const page = 1000

func (b *bucket) Do(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := func(status int, body []byte) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Etag": {`"tag"`}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		b.objects[key] = body
		return answer(http.StatusOK, nil)
	case q.Get("list-type") == "":
		b.reads++
		if body, ok := b.objects[key]; ok {
			return answer(http.StatusOK, body)
		}
		return answer(http.StatusNotFound, []byte(`<Error><Code>NoSuchKey</Code></Error>`))
	}
	b.reads++
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	i, found := slices.BinarySearch(b.keys, after)
	if found {
		i++
	}
	listed := b.keys[i:min(i+page, len(b.keys))]
	var body bytes.Buffer
	body.WriteString("<ListBucketResult>")
	for _, key := range listed {
		body.WriteString("<Contents><Key>" + key + "</Key><LastModified>2026-02-27T12:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>300</Size></Contents>")
	}
	if i+page < len(b.keys) {
		body.WriteString("<IsTruncated>true</IsTruncated><NextContinuationToken>" + listed[len(listed)-1] + "</NextContinuationToken>")
	}
	body.WriteString("</ListBucketResult>")
	return answer(http.StatusOK, body.Bytes())
}

// newBucket returns a bucket with so many records of alice on each of the days, the sums of
// which are kept, and its store.
func newBucket(t *testing.T, first time.Time, days, records int) (*bucket, *s3store.Store) {
	t.Helper()
	b := &bucket{objects: map[string][]byte{}}
	prefix := "usage/" + s3store.EscapeOwner(alice) + "/"
	months := map[string]map[string]s3store.KeptSum{}
	for n := range days {
		day := first.AddDate(0, 0, n).Format(time.DateOnly)
		ids := make([]string, records)
		for i := range ids {
			ids[i] = fmt.Sprintf("%08x-0000-7000-8000-000000000000", i)
			b.keys = append(b.keys, prefix+day+"/"+ids[i])
		}
		if months[day[:7]] == nil {
			months[day[:7]] = map[string]s3store.KeptSum{}
		}
		sum := s3store.KeptSum{UsageDay: job.UsageDay{Day: day, Jobs: records}, Counts: true}
		sum.Records = s3store.Fingerprint(day, ids)
		months[day[:7]][day] = sum
	}
	for month, days := range months {
		raw, err := json.Marshal(map[string]any{"days": days})
		if err != nil {
			t.Fatal(err)
		}
		b.objects[prefix+"sums/"+month] = raw
	}
	client := s3.New(s3.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://s3.example"), UsePathStyle: true, HTTPClient: b,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	return b, s3store.New(client, "bucket", s3store.Options{Proof: s3store.NoProof})
}

// TestYearOfUsage sums up a year of 1000 jobs a day, and holds the number of reads. A small
// year costs no more than its months.
func TestYearOfUsage(t *testing.T) {
	t.Parallel()
	first := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ perDay, most int }{{1000, 400}, {2, 1 + 13}, {3, 2 + 12 + 13}} {
		t.Run(fmt.Sprint(tt.perDay), func(t *testing.T) {
			t.Parallel()
			b, s := newBucket(t, first, 366, tt.perDay)
			begun := time.Now()
			days, err := s.SumUsage(context.Background(), alice, first, first.AddDate(0, 0, 365))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d reads in %s", b.reads, time.Since(begun))
			if b.reads > tt.most {
				t.Errorf("%d reads, want at most %d", b.reads, tt.most)
			}
			if len(days) != 366 {
				t.Fatalf("%d days", len(days))
			}
			for i, d := range days {
				if d.Day != first.AddDate(0, 0, i).Format(time.DateOnly) || d.Jobs != tt.perDay {
					t.Errorf("day %d is %+v", i, d)
				}
			}
		})
	}
}
