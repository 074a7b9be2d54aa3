package s3store_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/s3store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorder writes down what arrives, before it passes it on to S3.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

// on records what reaches the environment's S3 through the endpoint that it returns.
func (rec *recorder) on(t *testing.T, env *awstest.Env, secure bool) (endpoint string, roots *x509.CertPool) {
	t.Helper()
	to, err := url.Parse(env.S3URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := shape(r, env.Bucket)
		rec.mu.Lock()
		rec.lines = append(rec.lines, line)
		rec.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	if secure {
		front.StartTLS()
		roots = x509.NewCertPool()
		roots.AddCert(front.Certificate())
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	return front.URL, roots
}

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	signed = regexp.MustCompile(`SignedHeaders=([^,]+)`)
	hashes = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// unstable maps the headers whose values differ from run to run to their replacements;
// a header that is not named is shown as it is.
var unstable = map[string]string{
	"Amz-Sdk-Invocation-Id": "", "Amz-Sdk-Request": "", "User-Agent": "", "X-Amz-Date": "", "If-Match": "\"TAG\"",
	"X-Amz-Checksum-Crc32": "CRC", "X-Amz-Meta-Upload": "TOKEN", "X-Amz-Mp-Object-Size": "SIZE",
}

// shape is a request as it is on the wire, without what differs from run to run.
func shape(r *http.Request, bucket string) string {
	var b strings.Builder
	path := uuids.ReplaceAllString(strings.ReplaceAll(r.URL.EscapedPath(), bucket, "BUCKET"), "ID")
	query := r.URL.Query()
	for name := range query {
		if slices.Contains([]string{"uploadId", "start-after", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"}, name) {
			query.Set(name, "X")
		}
	}
	fmt.Fprintf(&b, "%s %s", r.Method, path)
	if q := query.Encode(); q != "" {
		fmt.Fprintf(&b, "?%s", strings.ReplaceAll(q, "=&", "&"))
	}
	b.WriteByte('\n')
	switch {
	case len(r.TransferEncoding) > 0:
		fmt.Fprintf(&b, "    Transfer-Encoding: %s\n", strings.Join(r.TransferEncoding, ", "))
	case r.ContentLength > 0:
		b.WriteString("    Content-Length: N\n")
	}
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(r.Header[name], ", ")
		if replacement, ok := unstable[name]; ok {
			if replacement == "" {
				continue
			}
			value = replacement
		}
		switch {
		case name == "Content-Length":
			continue
		case name == "Authorization":
			value = "signed " + strings.ReplaceAll(signed.FindStringSubmatch(value)[1], ";", " ")
		case hashes.MatchString(value):
			value = "SHA-256"
		}
		fmt.Fprintf(&b, "    %s: %s\n", name, value)
	}
	return b.String()
}

// TestWire compares every request that a store makes, as it is on the wire, with the
// golden. Over https the SDK has other habits than over http.
func TestWire(t *testing.T) {
	t.Parallel()
	whenRequired := func(o *s3.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}
	tests := []struct {
		name    string
		secure  bool
		client  func(*s3.Options)
		dialect *proof.Dialect
	}{
		{"http", false, nil, nil},
		{"https", true, nil, nil},
		{"https, checksums when required", true, whenRequired, nil},
		{"http, checksums when required", false, whenRequired, nil},
		{"https, a store with a dialect", true, nil, &proof.Dialect{Multipart: proof.Parts, NoContinue: true}},
	}
	golden := awstest.Path("testdata/wire.golden")
	shapes := make([]string, len(tests))
	t.Run("", func(t *testing.T) {
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				shapes[i] = "# " + tt.name + "\n\n" + conversation(t, tt.secure, tt.client, tt.dialect)
			})
		}
	})
	got := strings.Join(shapes, "\n")
	if strings.Contains(got, "aws-chunked") || strings.Contains(got, "Transfer-Encoding") {
		t.Error("a request is sent in chunks, which several stores refuse")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("the wire differs from %s (-want +got):\n%s", golden, d)
	}
}

// conversation calls every method of a store once, and returns what it asked for.
func conversation(t *testing.T, secure bool, client func(*s3.Options), dialect *proof.Dialect) string {
	env := awstest.Start(t)
	var rec recorder
	endpoint, roots := rec.on(t, env, secure)
	options := []func(*s3.Options){func(o *s3.Options) {
		o.BaseEndpoint = &endpoint
		o.HTTPClient = o.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(tr *http.Transport) {
			tr.TLSClientConfig = &tls.Config{RootCAs: roots}
		})
	}}
	if client != nil {
		options = append(options, client)
	}
	opts := s3store.Options{Memory: s3store.NewMemory(s3store.MemoryOptions{})}
	if dialect != nil {
		opts.Proof = s3store.ForDocuments
		putFinding(t, env, &proof.Finding{
			Version: proof.Version, ProvedAt: time.Now(), Endpoint: endpoint, Results: []proof.Result{{Promise: "a", Kept: true}}, Dialect: *dialect,
		})
	}
	s := s3store.New(newClient(env, options...), env.Bucket, opts)
	var b strings.Builder
	ctx := t.Context()
	step := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		fmt.Fprintf(&b, "## %s\n%s", name, strings.Join(rec.lines, ""))
		rec.lines = nil
	}
	step("Ready", s.Ready(ctx))
	j := jobtest.NewJob()
	version, err := s.Create(ctx, j)
	step("Create", err)
	_, err = s.Load(ctx, j.ID)
	step("Load", err)
	j.Version = version
	_, err = s.Swap(ctx, jobtest.Claimed(j, "worker"))
	step("Swap", err)
	step("Commit of a small image", commit(t, s, j.ID, 10))
	step("Commit of a large image", commit(t, s, job.NewID(), part+3<<20))
	c, err := s.Open(ctx, job.Input, j.ID, job.OpenOptions{Range: "bytes=0-3"})
	if err == nil {
		_, err = io.Copy(io.Discard, c.Body)
		c.Body.Close()
	}
	step("Open of a range", err)
	c, err = s.Stat(ctx, job.Input, j.ID)
	step("Stat", err)
	again, err := s.Open(ctx, job.Input, j.ID, job.OpenOptions{IfNoneMatch: c.Tag})
	if err == nil && !again.NotModified {
		t.Error("the same tag is read again")
	}
	step("Open of what is known", err)
	g, err := s.Stage(ctx, job.Output, j.ID, "image/png", jobtest.Bytes(1, part+1))
	if err != nil {
		t.Fatal(err)
	}
	rec.mu.Lock()
	rec.lines = nil
	rec.mu.Unlock()
	g.Discard()
	step("Discard of a large image", nil)
	day := j.CreatedAt.Format(time.DateOnly)
	step("RecordUsage", s.RecordUsage(ctx, j.Owner, j.CreatedAt, j.ID, []byte(`{}`)))
	for _, err := range s.ReadUsage(ctx, j.Owner, j.CreatedAt, j.CreatedAt) {
		if err != nil {
			t.Fatal(err)
		}
	}
	step("ReadUsage", nil)
	for _, err := range s.Jobs(ctx, time.Time{}, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	step("Jobs", nil)
	id := job.NewID()
	up, err := s.PresignInput(ctx, id, job.Media{ContentType: "image/png", SizeBytes: 4}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	step("upload by a presigned URL", upload(t, up, roots, "1234"))
	step("Remove", s.Remove(ctx, job.Input, id, ""))
	j, err = s.Load(ctx, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	rec.mu.Lock()
	rec.lines = nil
	rec.mu.Unlock()
	step("Erase", s.Erase(ctx, j.ID, j.Version))
	return strings.ReplaceAll(b.String(), day, "DAY")
}

func commit(t *testing.T, s *s3store.Store, id job.ID, size int64) error {
	t.Helper()
	g, err := s.Stage(t.Context(), job.Input, id, "image/png", jobtest.Bytes(1, size))
	if err != nil {
		return err
	}
	defer g.Discard()
	_, err = g.Commit(t.Context(), job.Condition{Absent: true})
	return err
}

func upload(t *testing.T, up *job.Upload, roots *x509.CertPool, body string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), up.Method, up.URL, strings.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range up.Headers {
		r.Header.Set(name, value)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// putFinding puts a finding into the environment's bucket.
func putFinding(t *testing.T, env *awstest.Env, f *proof.Finding) {
	t.Helper()
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &env.Bucket, Key: aws.String(proof.Key), Body: bytes.NewReader(raw)}); err != nil {
		t.Fatal(err)
	}
}
