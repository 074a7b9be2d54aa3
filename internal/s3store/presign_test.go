package s3store_test

import (
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

func TestPresignInput(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	const body = "0123456789"
	tests := []struct {
		name, body, contentType string
		want                    int
	}{
		{"another size", body + "x", "image/png", http.StatusForbidden},
		{"another type", body, "text/html", http.StatusForbidden},
		{"as agreed", body, "image/png", http.StatusOK},
		{"a second time", body, "image/png", http.StatusPreconditionFailed},
	}
	id := job.NewID()
	up, err := s.PresignInput(t.Context(), id, "image/png", int64(len(body)), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(up.ExpiresAt); up.Method != http.MethodPut || d < 59*time.Minute || d > time.Hour {
		t.Errorf("got %s, good for %v; want a PUT for an hour", up.Method, d)
	}
	for _, tt := range tests { // in this order
		req, err := http.NewRequestWithContext(t.Context(), up.Method, up.URL, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range up.Headers {
			req.Header.Set(name, value)
		}
		req.Header.Set("Content-Type", tt.contentType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got status %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
	}
	c, err := s.Stat(t.Context(), job.Input, id)
	if err != nil || c.Size != int64(len(body)) || c.ContentType != "image/png" {
		t.Errorf("got %+v, %v; want the upload", c, err)
	}
}

// TestPresignedBySession signs with credentials that end: so does the URL.
func TestPresignedBySession(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	end := time.Now().Add(10 * time.Minute)
	s := s3store.New(newClient(env, func(o *s3.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: aws.Credentials{
			AccessKeyID: env.AccessKey, SecretAccessKey: env.SecretKey, SessionToken: "session", CanExpire: true, Expires: end,
		}}
	}), env.Bucket, s3store.Options{})
	for ttl, late := range map[time.Duration]bool{time.Hour: true, time.Minute: false} {
		up, err := s.PresignInput(t.Context(), job.NewID(), "image/png", 10, ttl)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(up.URL, "X-Amz-Security-Token=session") || up.ExpiresAt.Equal(end) != late || up.ExpiresAt.After(time.Now().Add(ttl)) {
			t.Errorf("for %s it is told to be good until %s; its session ends at %s", ttl, up.ExpiresAt, end)
		}
	}
}
