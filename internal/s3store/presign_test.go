package s3store_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
	up, err := s.PresignInput(t.Context(), id, job.Media{ContentType: "image/png", SizeBytes: int64(len(body))}, time.Hour)
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
		up, err := s.PresignInput(t.Context(), job.NewID(), job.Media{ContentType: "image/png", SizeBytes: 10}, ttl)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(up.URL, "X-Amz-Security-Token=session") || up.ExpiresAt.Equal(end) != late || up.ExpiresAt.After(time.Now().Add(ttl)) {
			t.Errorf("for %s it claims to last until %s; its session ends at %s", ttl, up.ExpiresAt, end)
		}
	}
}

// TestPresignedDigest uploads by a URL that is signed with a digest. Storage takes no other
// bytes, and says what it computed.
func TestPresignedDigest(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	const body = "0123456789"
	sum := sha256.Sum256([]byte(body))
	want := hex.EncodeToString(sum[:])
	id := job.NewID()
	up, err := s.PresignInput(t.Context(), id, job.Media{ContentType: "image/png", SizeBytes: int64(len(body)), SHA256: want}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	const header = "X-Amz-Checksum-Sha256"
	other := sha256.Sum256([]byte("9876543210"))
	tests := []struct {
		name, body, sum string
		want            int
	}{
		{"other bytes", "9876543210", up.Headers[header], http.StatusBadRequest},
		{"other bytes and their digest", "9876543210", base64.StdEncoding.EncodeToString(other[:]), http.StatusForbidden},
		{"other bytes without a digest", "9876543210", "", http.StatusForbidden},
		{"as agreed", body, up.Headers[header], http.StatusOK},
	}
	for _, tt := range tests { // in this order
		req, err := http.NewRequestWithContext(t.Context(), up.Method, up.URL, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range up.Headers {
			req.Header.Set(name, value)
		}
		if req.Header.Set(header, tt.sum); tt.sum == "" {
			req.Header.Del(header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got status %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
	}
	stat, err := s.Stat(t.Context(), job.Input, id)
	if err != nil {
		t.Fatal(err)
	}
	if got, tag, err := s.UploadedDigest(t.Context(), id); got != want || tag != stat.Tag || err != nil {
		t.Errorf("the digest is %q of %q, %v; want %q of %q", got, tag, err, want, stat.Tag)
	}
}
