package awslocal_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal"
)

// TestRefusedUploadsSayWhy puts images with a wrong signature, of which the gateway reads
// no byte: each gets its answer.
func TestRefusedUploadsSayWhy(t *testing.T) {
	servers := start(t, awslocal.Options{Dir: t.TempDir(), NoSync: true})
	defer stop(t, servers)
	if err := servers.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	image := make([]byte, 8<<20)
	const signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"
	want := func(name string, a *http.Response) {
		t.Helper()
		why, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || !strings.Contains(string(why), "<Code>RequestTimeTooSkewed<") {
			t.Errorf("%s: %s: %s, %v", name, a.Status, why, err)
		}
	}
	for _, tt := range []struct {
		name  string
		times int
		body  func() io.Reader
	}{
		// The buffers on the way hold all of it, so that a connection could be used again.
		{"small and chunked", 50, func() io.Reader { return io.MultiReader(bytes.NewReader(image[:64<<10])) }},
		{"large", 5, func() io.Reader { return bytes.NewReader(image) }},
		{"chunked", 5, func() io.Reader { return io.MultiReader(bytes.NewReader(image)) }},
	} {
		for range tt.times {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, servers.S3URL()+"/bucket/key", tt.body())
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", signature)
			r.Header.Set("X-Amz-Date", "20260101T000000Z")
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			want(tt.name, a)
		}
	}

	// A client that reads no answer before all is sent.
	c, err := net.Dial("tcp", strings.TrimPrefix(servers.S3URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: %s\r\nX-Amz-Date: 20260101T000000Z\r\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nContent-Length: %d\r\n\r\n", signature, len(image))
	if _, err := c.Write(image); err != nil {
		t.Fatalf("sent before the answer is read: %v", err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("sent before the answer is read: %v", err)
	}
	want("sent before the answer is read", a)
}
