package proof_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"claimcheck.example/internal/awslocal/awstest"
)

// fault turns a request on its way to a correct server into what a server that breaks a
// promise would see. It may also answer the request itself.
type fault func(f *front, w http.ResponseWriter, r *http.Request, body []byte) (now []byte, answered bool)

// front is a server with a fault. It signs the requests that it forwards again, because
// it changes signed parts.
type front struct {
	env         *awstest.Env
	service, to string
	fault       fault
	// edit changes the body of an answer; nil leaves it.
	edit func([]byte) []byte

	mu     sync.Mutex // guards writes
	writes map[string]int
}

// newFront returns the URL of a server with the fault.
func newFront(t *testing.T, f *front) string {
	t.Helper()
	f.writes = map[string]int{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.ContentLength = int64(len(body))
	if f.fault != nil {
		now, answered := f.fault(f, w, r, body)
		if answered {
			return
		}
		body = now
	}
	resp, err := f.forward(r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if f.edit != nil && len(answer) > 0 {
		answer = f.edit(answer)
		resp.Header.Del("Content-Length")
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// forward sends a request to the correct server.
func (f *front) forward(r *http.Request, body []byte) (*http.Response, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, f.to+r.URL.EscapedPath(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	for name := range query {
		if strings.HasPrefix(name, "X-Amz-") { // of a presigned URL
			query.Del(name)
		}
	}
	out.URL.RawQuery = query.Encode()
	out.Header = r.Header.Clone()
	for _, name := range []string{"Authorization", "Accept-Encoding", "User-Agent", "Connection", "Expect", "Content-Length"} {
		out.Header.Del(name)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if f.service == "s3" {
		out.Header.Set("X-Amz-Content-Sha256", hash)
	}
	creds := aws.Credentials{AccessKeyID: f.env.AccessKey, SecretAccessKey: f.env.SecretKey}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = f.service == "s3" })
	if err := signer.SignHTTP(r.Context(), creds, out, hash, f.service, f.env.Region, time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(out)
}

// contended reports whether other writes to the same key are in progress, and returns a
// function that ends this one.
func (f *front) contended(r *http.Request) (bool, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes[r.URL.Path]++
	return f.writes[r.URL.Path] > 1, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.writes[r.URL.Path]--
	}
}

// refuse answers like S3.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>no</Message></Error>")
}
