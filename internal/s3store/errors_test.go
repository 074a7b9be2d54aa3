package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		code   string
		want   job.Kind
		hint   string // what the operator must be able to read
	}{
		{404, "NoSuchKey", job.NotFound, ""},
		{404, "NoSuchBucket", job.Misconfigured, "S3_BUCKET"},
		{403, "AccessDenied", job.Misconfigured, "s3:GetObject"},
		{403, "InvalidAccessKeyId", job.Misconfigured, "credentials"},
		{403, "SignatureDoesNotMatch", job.Misconfigured, "credentials"},
		{400, "ExpiredToken", job.Misconfigured, "credentials"},
		{403, "RequestTimeTooSkewed", job.Misconfigured, "clock"},
		{301, "PermanentRedirect", job.Misconfigured, "AWS_REGION"},
		{412, "PreconditionFailed", job.Conflict, ""},
		{409, "ConditionalRequestConflict", job.Conflict, ""},
		{416, "InvalidRange", job.Invalid, ""},
		{400, "EntityTooLarge", job.TooLarge, ""},
		{503, "SlowDown", job.Unavailable, ""},
		{500, "InternalError", job.Unavailable, ""},
		{429, "TooManyRequests", job.Unavailable, ""},
		{400, "SomethingNew", job.Unknown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := stubbed(func(r *http.Request) (*http.Response, error) { return answer(r, tt.status, tt.code), nil }, s3store.Options{})
			_, err := s.Open(t.Context(), job.Output, job.NewID(), job.OpenOptions{})
			if err == nil || job.KindOf(err) != tt.want {
				t.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), tt.want)
			}
			if !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("the operator reads %q, want a word of %s", err, tt.hint)
			}
			if m := job.MessageOf(err); (m == "") != (tt.want == job.Unknown) || strings.Contains(m, "bucket") || strings.Contains(m, "S3") {
				t.Errorf("the client gets %q", m)
			}
		})
	}
}

// TestSilence meets an S3 that cannot be reached, that never answers, and that has
// been failing so long that the SDK gives up retrying.
func TestSilence(t *testing.T) {
	t.Parallel()
	load := func(s *s3store.Store) error {
		_, err := s.Load(context.Background(), job.NewID())
		return err
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		client := s3.New(s3.Options{
			Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, BaseEndpoint: aws.String("http://127.0.0.1:1"),
		}, s3store.ClientOptions, hasty)
		wantKind(t, load(s3store.New(client, "b", s3store.Options{})), job.Unavailable)
	})
	t.Run("mute", func(t *testing.T) {
		t.Parallel()
		mute := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		s := stubbed(mute, s3store.Options{CallTimeout: 20 * time.Millisecond})
		wantKind(t, load(s), job.Unavailable)
		_, err := s.Open(t.Context(), job.Output, job.NewID(), job.OpenOptions{})
		wantKind(t, err, job.Unavailable)
	})
	t.Run("retry quota", func(t *testing.T) {
		t.Parallel()
		s := stubbed(func(r *http.Request) (*http.Response, error) { return answer(r, 503, "SlowDown"), nil }, s3store.Options{})
		for range 60 { // three retries of 5 tokens each, of 500
			wantKind(t, load(s), job.Unavailable)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := stubbed(func(r *http.Request) (*http.Response, error) {
			cancel()
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, s3store.Options{})
		_, err := s.Load(ctx, job.NewID())
		wantKind(t, err, job.Canceled)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not wrap context.Canceled", err)
		}
	})
}

// TestRetries checks the client's retryer: a conflict with a concurrent write is tried
// again, a failed precondition is not.
func TestRetries(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"ConditionalRequestConflict": 4, "OperationAborted": 4, "ExistingObjectIsDirectory": 4, "SlowDown": 4,
		"PreconditionFailed": 1, "AccessDenied": 1,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			status := map[string]int{"PreconditionFailed": 412, "AccessDenied": 403, "SlowDown": 503}[code]
			if status == 0 {
				status = http.StatusConflict
			}
			w := &wire{act: func(r *http.Request) (*http.Response, error) { return answer(r, status, code), nil }}
			client := s3.New(s3.Options{
				Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, BaseEndpoint: aws.String("http://s3.invalid"), HTTPClient: w,
			}, s3store.ClientOptions, hasty)
			if err := s3store.New(client, "b", s3store.Options{}).Erase(t.Context(), job.NewID(), ""); err == nil {
				t.Fatal("Erase succeeded")
			}
			deletes := 0
			for _, method := range w.seen {
				if method == http.MethodDelete {
					deletes++
				}
			}
			if deletes != want {
				t.Errorf("%d tries, want %d", deletes, want)
			}
		})
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	tests := []struct {
		name, bucket string
		client       *s3.Client
		hint         string
	}{
		{"no bucket", "does-not-exist-1", newClient(env), "create it or correct S3_BUCKET"},
		{"wrong region", env.Bucket, newClient(env, func(o *s3.Options) { o.Region = "eu-west-3" }), "AWS_REGION"},
		{"wrong secret", env.Bucket, newClient(env, func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(env.AccessKey, "wrong", "")
		}), "denied; grant s3:ListBucket on it and what docs/iam says on its objects, or correct the AWS credentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := s3store.New(tt.client, tt.bucket, s3store.Options{}).Ready(t.Context())
			wantKind(t, err, job.Misconfigured)
			if !strings.Contains(err.Error(), tt.hint) || !strings.Contains(err.Error(), tt.bucket) {
				t.Errorf("got %q, want the bucket's name and %q", err, tt.hint)
			}
		})
	}
	before := env.Count()["S3 HeadBucket"]
	if err := s3store.New(newClient(env), env.Bucket, s3store.Options{}).Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := env.Count()["S3 HeadBucket"] - before; n < 1 {
		t.Error("Ready did not ask for the bucket")
	}
}
