package awslocal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"claimcheck.example/internal/awslocal"
)

// The tests of this package do not run in parallel: a process has one working directory,
// and so one pair of servers.

func start(t *testing.T, o awslocal.Options) *awslocal.Servers {
	t.Helper()
	servers, err := awslocal.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

func stop(t *testing.T, servers *awslocal.Servers) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := servers.Close(ctx); err != nil {
		t.Error(err)
	}
}

func put(t *testing.T, servers *awslocal.Servers, key, body string) {
	t.Helper()
	_, err := servers.S3Client().PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, servers *awslocal.Servers, key string) string {
	t.Helper()
	out, err := servers.S3Client().GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
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

func TestRestartKeepsData(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "made", "by", "start")
	servers := start(t, awslocal.Options{Dir: dir})
	for range 2 { // closing again does no harm
		if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
			t.Fatal(err)
		}
	}
	queue, err := servers.EnsureQueue(t.Context(), "jobs", awslocal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, servers, "jobs/1", "kept")
	if _, err := servers.SQSClient().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("kept")}); err != nil {
		t.Fatal(err)
	}
	stop(t, servers)
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("working directory after Close = %s, %v; want %s", after, err, before)
	}

	servers = start(t, awslocal.Options{Dir: dir})
	defer stop(t, servers)
	if got := get(t, servers, "jobs/1"); got != "kept" {
		t.Errorf("object after a restart = %q; want kept", got)
	}
	queue, err = servers.EnsureQueue(t.Context(), "jobs", awslocal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := servers.SQSClient().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue})
	if err != nil || len(out.Messages) != 1 || *out.Messages[0].Body != "kept" {
		t.Errorf("messages after a restart = %v, %v; want the one sent", out, err)
	}
}

func TestStartRefuses(t *testing.T) {
	if _, err := awslocal.Start(t.Context(), awslocal.Options{}); err == nil {
		t.Error("started without a data folder")
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	for _, o := range []awslocal.Options{{S3Addr: addr}, {SQSAddr: addr}} {
		o.Dir = t.TempDir()
		_, err := awslocal.Start(t.Context(), o)
		if !errors.Is(err, awslocal.ErrAddrTaken) || !strings.Contains(err.Error(), addr) {
			t.Errorf("start on a taken port: %v; want ErrAddrTaken that names %s", err, addr)
		}
	}

	servers := start(t, awslocal.Options{Dir: t.TempDir()})
	defer stop(t, servers)
	if _, err := awslocal.Start(t.Context(), awslocal.Options{Dir: t.TempDir()}); !errors.Is(err, awslocal.ErrRunning) {
		t.Errorf("second start in one process: %v; want ErrRunning", err)
	}
}

func TestEnsureQueue(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true})
	defer stop(t, servers)
	var queue string
	for _, visibility := range []time.Duration{time.Minute, 2 * time.Minute} {
		var err error
		queue, err = servers.EnsureQueue(t.Context(), "jobs", awslocal.QueueOptions{
			Visibility: visibility, DeadLetter: "dead", MaxReceives: 4,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := servers.SQSClient().GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{"VisibilityTimeout", "RedrivePolicy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Attributes["VisibilityTimeout"]; got != "120" {
		t.Errorf("visibility = %s; want the newer setting, 120", got)
	}
	const want = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"4"}`
	if got := out.Attributes["RedrivePolicy"]; got != want {
		t.Errorf("redrive policy = %s; want %s", got, want)
	}
}

func TestEnv(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true, Region: "eu-west-1", AccessKey: "a", SecretKey: "b"})
	defer stop(t, servers)
	got := servers.Env("bucket", "url")
	want := []string{
		"AWS_ENDPOINT_URL_S3=" + servers.S3URL(), "AWS_ENDPOINT_URL_SQS=" + servers.SQSURL(),
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "S3_BUCKET=bucket", "SQS_QUEUE_URL=url",
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment = %q; want %q", got, want)
	}
}

func TestS3(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir()})
	defer stop(t, servers)
	if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	client := servers.S3Client()
	ctx := t.Context()

	t.Run("conditional writes", func(t *testing.T) {
		key := aws.String("jobs/conditional")
		create := &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: key, IfNoneMatch: aws.String("*"), Body: strings.NewReader("1")}
		first, err := client.PutObject(ctx, create)
		if err != nil {
			t.Fatal(err)
		}
		create.Body = strings.NewReader("2")
		_, err = client.PutObject(ctx, create)
		wantCode(t, err, "PreconditionFailed")
		swap := &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: key, IfMatch: first.ETag, Body: strings.NewReader("2")}
		if _, err := client.PutObject(ctx, swap); err != nil {
			t.Fatal(err)
		}
		swap.Body = strings.NewReader("3")
		_, err = client.PutObject(ctx, swap)
		wantCode(t, err, "PreconditionFailed")
		if got := get(t, servers, *key); got != "2" {
			t.Errorf("object = %q; want 2", got)
		}
	})

	t.Run("keys as they are", func(t *testing.T) {
		for _, key := range []string{"a b", "a+b", "ü/%2F", "q?x=1&y", "semi;colon", "usage/https:~0issuer|sub/2026"} {
			put(t, servers, key, key)
			if got := get(t, servers, key); got != key {
				t.Errorf("object %q = %q", key, got)
			}
		}
	})

	t.Run("presigned limits", func(t *testing.T) {
		presigned, err := s3.NewPresignClient(client).PresignPutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("input/direct"),
			ContentLength: aws.Int64(5), ContentType: aws.String("image/png"),
		})
		if err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name, kind, body string
			want             int
		}{
			{"longer", "image/png", "123456", http.StatusForbidden},
			{"other type", "text/html", "12345", http.StatusForbidden},
			{"as signed", "image/png", "12345", http.StatusOK},
		}
		for _, test := range tests {
			r, err := http.NewRequestWithContext(ctx, presigned.Method, presigned.URL, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", test.kind)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != test.want {
				t.Errorf("%s: status %d; want %d", test.name, answer.StatusCode, test.want)
			}
		}
	})

	t.Run("multipart", func(t *testing.T) {
		key := aws.String("input/parts")
		upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: aws.String("bucket"), Key: key, ChecksumAlgorithm: s3types.ChecksumAlgorithmCrc32,
		})
		if err != nil {
			t.Fatal(err)
		}
		var parts []s3types.CompletedPart
		for i, body := range []string{strings.Repeat("a", 5<<20), "end"} {
			number := aws.Int32(int32(i + 1))
			part, err := client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: aws.String("bucket"), Key: key, UploadId: upload.UploadId, PartNumber: number, Body: strings.NewReader(body),
			})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, s3types.CompletedPart{ETag: part.ETag, PartNumber: number, ChecksumCRC32: part.ChecksumCRC32})
		}
		complete := &s3.CompleteMultipartUploadInput{
			Bucket: aws.String("bucket"), Key: key, UploadId: upload.UploadId, IfNoneMatch: aws.String("*"),
			MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
		}
		if _, err := client.CompleteMultipartUpload(ctx, complete); err != nil {
			t.Fatal(err)
		}
		if got := get(t, servers, *key); len(got) != 5<<20+3 || !strings.HasSuffix(got, "aend") {
			t.Errorf("object has %d bytes; want %d", len(got), 5<<20+3)
		}
	})

	t.Run("transfer coding is not content", func(t *testing.T) {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("coded"), Body: strings.NewReader("x"), ContentEncoding: aws.String("aws-chunked"),
		})
		if err != nil {
			t.Fatal(err)
		}
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("coded")})
		if err != nil || head.ContentEncoding != nil {
			t.Errorf("content encoding = %v, %v; want none", aws.ToString(head.ContentEncoding), err)
		}
	})

	t.Run("metadata in lower case", func(t *testing.T) {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("meta"), Body: strings.NewReader("x"), Metadata: map[string]string{"who": "go"},
		})
		if err != nil {
			t.Fatal(err)
		}
		presigned, err := s3.NewPresignClient(client).PresignHeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("meta")})
		if err != nil {
			t.Fatal(err)
		}
		// By hand, since net/http changes the case of header names.
		conn, err := net.Dial("tcp", strings.TrimPrefix(servers.S3URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		target := strings.TrimPrefix(presigned.URL, servers.S3URL())
		fmt.Fprintf(conn, "HEAD %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, presigned.SignedHeader.Get("Host"))
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), "\r\nx-amz-meta-who: go\r\n") {
			t.Errorf("answer = %q, %v; want x-amz-meta-who in lower case", answer, err)
		}
	})

	t.Run("anonymous", func(t *testing.T) {
		answer, err := http.Get(servers.S3URL() + "/bucket/jobs/conditional")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("status %d; want 403", answer.StatusCode)
		}
	})
}

// TestCloseDrains calls Close while an upload runs: the upload succeeds.
func TestCloseDrains(t *testing.T) {
	arrived := make(chan struct{})
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true, Observe: func(c awslocal.Call) {
		if c.Key == "slow" {
			close(arrived)
		}
	}})
	if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	queue, err := servers.EnsureQueue(t.Context(), "jobs", awslocal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	presigned, err := s3.NewPresignClient(servers.S3Client()).PresignPutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("slow"),
	})
	if err != nil {
		t.Fatal(err)
	}
	body, feed := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, presigned.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 4
	status := make(chan int, 1)
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}()
	polled := make(chan error, 1)
	go func() { // a long poll must not delay the stop
		_, err := servers.SQSClient().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 20})
		polled <- err
	}()
	<-arrived
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		stop(t, servers)
	}()
	if _, err := feed.Write([]byte("slow")); err != nil {
		t.Error(err)
	}
	feed.Close()
	if got := <-status; got != http.StatusOK {
		t.Errorf("upload while stopping: status %d; want 200", got)
	}
	<-closed
	<-polled
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code {
		t.Errorf("error = %v; want code %s", err, code)
	}
}
