package awslocal_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal"
)

// TestServersAreClosedToWebPages sends both servers what a browser sends for a page.
func TestServersAreClosedToWebPages(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true, Origins: []string{"http://localhost:8080"}})
	defer stop(t, servers)
	if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	if err := servers.AllowUploads(t.Context(), "bucket", "http://localhost:8080"); err != nil {
		t.Fatal(err)
	}
	const form = "multipart/form-data; boundary=b"
	tests := []struct {
		name, method, host string
		header             []string
		status             int
		code               string
	}{
		{"another name", "GET", "evil.example", nil, 421, "MisdirectedRequest"},
		{"another name with a port", "GET", "evil.example:9000", nil, 421, "MisdirectedRequest"},
		{"no name", "GET", "][", nil, 421, "MisdirectedRequest"},
		{"a form", "POST", "localhost", []string{"Content-Type", form}, 405, "MethodNotAllowed"},
		{"a form of another page", "POST", "", []string{"Content-Type", form, "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 403, "AccessDenied"},
		{"an upload of another page", "PUT", "", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000"}, 403, "AccessDenied"},
		{"an upload of another page by an old browser", "PUT", "", []string{"Origin", "http://localhost:3000"}, 403, "may not write"},
	}
	for _, tt := range tests {
		for _, url := range []string{servers.S3URL() + "/bucket/key", servers.SQSURL() + "/"} {
			status, body, _ := send(t, tt.method, url, tt.host, tt.header...)
			if status != tt.status || !strings.Contains(body, tt.code) {
				t.Errorf("%s at %s: %d: %s", tt.name, url, status, body)
			}
		}
	}
	// After the preflight the page's request still needs a signature.
	status, _, header := send(t, "OPTIONS", servers.S3URL()+"/bucket/key", "", "Origin", "http://localhost:8080", "Access-Control-Request-Method", "PUT", "Sec-Fetch-Site", "cross-site")
	if status != 200 || header.Get("Access-Control-Allow-Origin") != "http://localhost:8080" {
		t.Errorf("the preflight of the page's upload: %d: %v", status, header)
	}
	status, body, _ := send(t, "PUT", servers.S3URL()+"/bucket/key", "", "Origin", "http://localhost:8080", "Sec-Fetch-Site", "cross-site")
	if status != 403 || strings.Contains(body, "may not write") {
		t.Errorf("the page's upload without a signature: %d: %s", status, body)
	}
}

func send(t *testing.T, method, url, host string, header ...string) (status int, body string, _ http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte("--b--\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b), a.Header
}

func TestSecretKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := awslocal.SecretKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := awslocal.SecretKey(dir); err != nil || again != first {
		t.Errorf("the second call returns %q, %v; want %q", again, err, first)
	}
	if other, err := awslocal.SecretKey(t.TempDir()); err != nil || other == first || len(other) < 26 {
		t.Errorf("another folder has %q, %v", other, err)
	}
	name := filepath.Join(dir, "secret-key")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(name, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := awslocal.SecretKey(dir); err == nil {
		t.Errorf("an empty file gives %q", key)
	}
}

func TestExpire(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true})
	defer stop(t, servers)
	if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"jobs/one", "output/one", "usage/one"} {
		put(t, servers, key, "x")
	}
	client := servers.S3Client()
	if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("output/two")}); err != nil {
		t.Fatal(err)
	}
	left := func() (objects, uploads int) {
		t.Helper()
		list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("bucket")})
		if err != nil {
			t.Fatal(err)
		}
		parts, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("bucket")})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Contents {
			if strings.HasSuffix(*o.Key, "/one") {
				objects++
			}
		}
		return objects, len(parts.Uploads)
	}
	for _, tt := range []struct {
		before           time.Time
		objects, uploads int
	}{{time.Now().Add(-time.Hour), 3, 1}, {time.Now().Add(time.Hour), 1, 0}} {
		if err := servers.Expire(t.Context(), "bucket", []string{"jobs/", "output/"}, tt.before); err != nil {
			t.Fatal(err)
		}
		if objects, uploads := left(); objects != tt.objects || uploads != tt.uploads {
			t.Errorf("before %v: %d objects and %d uploads are left, want %d and %d", tt.before, objects, uploads, tt.objects, tt.uploads)
		}
	}
}
