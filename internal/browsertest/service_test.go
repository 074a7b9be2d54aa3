package browsertest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"claimcheck.example/internal/app/apptest"
)

// object returns what the bucket holds under a key.
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

// jobs returns how many job documents there are.
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

// provider is an OpenID Connect provider that gives everybody a token.
type provider struct {
	url string
	key *rsa.PrivateKey
}

func newProvider(t *testing.T) provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k1", Algorithm: "RS256"}}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.SetIssuer(server.URL)
	return provider{server.URL, key}
}

func (p provider) token(t *testing.T, subject string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": p.url, "aud": "claimcheck", "sub": subject, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return oidctest.SignIDToken(p.key, "k1", "RS256", string(claims))
}
