package proof_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

func s3Client(env *awstest.Env, endpoint string) *s3.Client {
	return s3.NewFromConfig(env.Servers.Config(), func(o *s3.Options) { o.BaseEndpoint = &endpoint }, s3store.ClientOptions)
}

// TestLocalStore proves the local S3, for which awslocal writes a finding without a
// proof.
func TestLocalStore(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	client := s3Client(env, env.S3URL)
	f, err := proof.Store(t.Context(), client, env.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range proof.Broken(f.Results) {
		t.Errorf("%s: %s", r.Promise, r.Saw)
	}
	if f.Dialect != (proof.Dialect{}) || f.Endpoint != env.S3URL || f.Server == "" {
		t.Errorf("the finding is %+v", f)
	}
	left, err := env.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &env.Bucket, Prefix: aws.String(proof.Probes)})
	if err != nil || len(left.Contents) > 0 {
		t.Errorf("the proof leaves %d objects, %v", len(left.Contents), err)
	}
	uploads, err := env.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &env.Bucket})
	if err != nil || len(uploads.Uploads) > 0 {
		t.Errorf("the proof leaves %d uploads, %v", len(uploads.Uploads), err)
	}
	if err := f.Save(t.Context(), client, env.Bucket); err != nil {
		t.Fatal(err)
	}
	read, written, err := proof.Read(t.Context(), client, env.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, read); d != "" {
		t.Errorf("the finding is read otherwise than written (-written +read):\n%s", d)
	}
	if err := read.Check(env.S3URL, false, written); err != nil {
		t.Errorf("the finding does not count: %v", err)
	}
}

// headers returns a fault that ignores headers of matching requests.
func headers(match func(*http.Request) bool, names ...string) fault {
	return func(_ *front, _ http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if match(r) {
			for _, name := range names {
				r.Header.Del(name)
			}
		}
		return body, false
	}
}

// answers returns a fault that refuses matching requests.
func answers(match func(*http.Request) bool, status int, code string) fault {
	return func(_ *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if !match(r) {
			return body, false
		}
		refuse(w, status, code)
		return nil, true
	}
}

// inRaces returns a fault that ignores a header while another write to the key is in
// progress.
func inRaces(name string) fault {
	return func(f *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if !put(r) || r.Header.Get(name) == "" {
			return body, false
		}
		contended, done := f.contended(r)
		defer done()
		if contended {
			r.Header.Del(name)
		}
		resp, err := f.forward(r, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return nil, true
	}
}

func put(r *http.Request) bool {
	return r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") && !presigned(r)
}
func anyPut(r *http.Request) bool  { return put(r) || presigned(r) }
func get(r *http.Request) bool     { return r.Method == http.MethodGet }
func deletes(r *http.Request) bool { return r.Method == http.MethodDelete }
func complete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
func begin(r *http.Request) bool     { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") }
func presigned(r *http.Request) bool { return r.URL.Query().Has("X-Amz-Signature") }

// unannounced returns a fault that enforces the type and the size of a presigned URL only
// where asked: the front itself does not check signatures.
func unannounced(heedSize, heedType bool) fault {
	return func(_ *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if presigned(r) && (heedSize && len(body) != 10 || heedType && r.Header.Get("Content-Type") != "image/png") {
			refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
			return nil, true
		}
		return body, false
	}
}

// with adds to a fault what every front must do for presigned URLs.
func with(f fault) fault {
	heed := unannounced(true, true)
	return func(front *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if body, answered := heed(front, w, r, body); answered {
			return body, true
		}
		return f(front, w, r, body)
	}
}

// TestBrokenPromises runs the proof on a store with one fault after the other.
func TestBrokenPromises(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   fault
		broken  []string
		dialect proof.Dialect
	}{
		"no fault": {with(headers(put)), nil, proof.Dialect{}},
		"If-None-Match on PutObject is ignored": {with(headers(anyPut, "If-None-Match")), []string{
			"create of what exists is refused", "one of racing creates wins", "second presigned upload is refused"}, proof.Dialect{}},
		"If-None-Match is ignored in races": {with(inRaces("If-None-Match")), []string{"one of racing creates wins"}, proof.Dialect{}},
		"If-Match is ignored in races":      {with(inRaces("If-Match")), []string{"one of racing swaps wins"}, proof.Dialect{}},
		"If-Match on PutObject is ignored": {with(headers(put, "If-Match")), []string{
			"swap by a stale tag is refused", "one of racing swaps wins", "swap of nothing is refused"}, proof.Dialect{}},
		"If-Match never holds": {with(answers(func(r *http.Request) bool { return put(r) && r.Header.Get("If-Match") != "" }, http.StatusPreconditionFailed, "PreconditionFailed")), []string{
			"swap by the current tag", "one of racing swaps wins"}, proof.Dialect{}},
		"If-Match of nothing creates": {with(creates), []string{"swap of nothing is refused"}, proof.Dialect{}},
		"If-Match on DeleteObject is ignored": {with(headers(deletes, "If-Match")), []string{
			"delete by a stale tag is refused"}, proof.Dialect{}},
		"If-None-Match on CompleteMultipartUpload is ignored": {with(headers(complete, "If-None-Match")), []string{
			"multipart create of what exists is refused"}, proof.Dialect{}},
		"If-Match on CompleteMultipartUpload is ignored": {with(headers(complete, "If-Match")), []string{
			"multipart swap by a stale tag is refused"}, proof.Dialect{}},
		"checksums are ignored":                  {with(headers(put, "X-Amz-Checksum-Crc32")), []string{"wrong checksum is refused"}, proof.Dialect{}},
		"Range is ignored":                       {with(headers(get, "Range")), []string{"ranged read", "multipart upload"}, proof.Dialect{}},
		"If-None-Match on GetObject is ignored":  {with(headers(get, "If-None-Match")), []string{"conditional read"}, proof.Dialect{}},
		"metadata are ignored":                   {with(headers(put, "X-Amz-Meta-Upload")), []string{"metadata"}, proof.Dialect{}},
		"empty objects are refused":              {with(answers(func(r *http.Request) bool { return put(r) && r.ContentLength == 0 }, http.StatusLengthRequired, "MissingContentLength")), []string{"empty object"}, proof.Dialect{}},
		"start-after is ignored":                 {with(fromTheStart), []string{"ordered listing"}, proof.Dialect{}},
		"the size of a presigned URL is ignored": {unannounced(false, true), []string{"presigned upload of another size is refused"}, proof.Dialect{}},
		"the type of a presigned URL is ignored": {unannounced(true, false), []string{"presigned upload of another type is refused"}, proof.Dialect{}},
		"presigned URLs are refused":             {answers(presigned, http.StatusForbidden, "AccessDenied"), []string{"presigned upload", "second presigned upload is refused"}, proof.Dialect{}},
		"the checksum of a whole is refused": {with(answers(func(r *http.Request) bool { return r.Header.Get("X-Amz-Checksum-Type") != "" }, http.StatusNotImplemented, "NotImplemented")), nil,
			proof.Dialect{Multipart: proof.Parts}},
		"checksums of parts are refused": {with(answers(func(r *http.Request) bool { return r.Header.Get("X-Amz-Checksum-Algorithm") != "" }, http.StatusNotImplemented, "NotImplemented")), nil,
			proof.Dialect{Multipart: proof.None}},
		"Expect is refused": {with(answers(func(r *http.Request) bool { return r.Header.Get("Expect") != "" }, http.StatusExpectationFailed, "ExpectationFailed")), nil,
			proof.Dialect{NoContinue: true}},
		"parts are refused": {with(answers(begin, http.StatusNotImplemented, "NotImplemented")), []string{
			"multipart upload", "multipart create of what exists is refused", "multipart swap by a stale tag is refused"}, proof.Dialect{}},
	}
	found := map[string]bool{}
	for _, tt := range tests {
		for _, promise := range tt.broken {
			found[promise] = true
		}
	}
	for _, p := range proof.OfStore()[1:] { // if the first fails, the others are not checked
		if !found[p.Name] {
			t.Errorf("no store here breaks %q", p.Name)
		}
		if p.Breaks == "" || p.Remedy == "" {
			t.Errorf("%q does not say what breaks, or what can be done", p.Name)
		}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			endpoint := newFront(t, &front{env: env, service: "s3", to: env.S3URL, fault: tt.fault})
			f, err := proof.Store(t.Context(), s3Client(env, endpoint), env.Bucket)
			if err != nil {
				t.Fatal(err)
			}
			var broken []string
			for _, r := range proof.Broken(f.Results) {
				broken = append(broken, r.Promise)
				if r.Saw == "" {
					t.Errorf("%s: the finding does not say what the store did", r.Promise)
				}
				t.Logf("%s: %s", r.Promise, r.Saw)
			}
			slices.Sort(broken)
			slices.Sort(tt.broken)
			if d := cmp.Diff(tt.broken, broken); d != "" {
				t.Errorf("broken promises (-want +got):\n%s", d)
			}
			if f.Dialect != tt.dialect {
				t.Errorf("the dialect is %+v, want %+v", f.Dialect, tt.dialect)
			}
			if err := f.Check(endpoint, false, f.ProvedAt); (err != nil) != (len(tt.broken) > 0) {
				t.Errorf("the finding is judged %v", err)
			}
		})
	}
}

// creates ignores If-Match when there is no object.
func creates(f *front, _ http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
	if put(r) && r.Header.Get("If-Match") != "" {
		head := r.Clone(r.Context())
		head.Method = http.MethodHead
		head.Header = http.Header{}
		resp, err := f.forward(head, nil)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			r.Header.Del("If-Match")
		}
	}
	return body, false
}

// fromTheStart ignores start-after.
func fromTheStart(_ *front, _ http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
	query := r.URL.Query()
	query.Del("start-after")
	r.URL.RawQuery = query.Encode()
	return body, false
}

// TestStoreThatCannotBeAsked checks that no answer of a store is an error, not a broken
// promise.
func TestStoreThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	if f, err := proof.Store(t.Context(), s3Client(env, env.S3URL), "no-such-bucket"); err == nil || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("got %+v, %v; want NoSuchBucket", f, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	endpoint := newFront(t, &front{env: env, service: "s3", to: env.S3URL, fault: func(_ *front, _ http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if r.Header.Get("Range") != "" {
			cancel(errors.New("enough"))
		}
		return body, false
	}})
	if f, err := proof.Store(ctx, s3Client(env, endpoint), env.Bucket); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %+v, %v; want the proof to break off", f, err)
	}
}

// TestWithoutChecksums proves a store that ignores checksums with requests that have
// none.
func TestWithoutChecksums(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	refuses := answers(func(r *http.Request) bool {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum-") && name != "X-Amz-Checksum-Mode" {
				return true
			}
		}
		return false
	}, http.StatusBadRequest, "InvalidArgument")
	endpoint := newFront(t, &front{env: env, service: "s3", to: env.S3URL, fault: with(refuses)})
	cfg := env.Servers.Config()
	cfg.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint = &endpoint }, s3store.ClientOptions)
	f, err := proof.Store(t.Context(), client, env.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range proof.Broken(f.Results) {
		t.Errorf("%s: %s", r.Promise, r.Saw)
	}
	if err := f.Save(t.Context(), client, env.Bucket); err != nil {
		t.Errorf("the finding cannot be kept: %v", err)
	}
	if err := f.Check(endpoint, true, f.ProvedAt); err != nil {
		t.Errorf("the finding does not count: %v", err)
	}
	if err := f.Check(endpoint, false, f.ProvedAt); err == nil {
		t.Errorf("a proof without checksums counts for requests with them: %v", err)
	}
}
