package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/workloadidentity"
)

// right is one action on one resource, in the notation of docs/iam.
type right struct{ action, resource string }

// actions maps operations to their IAM action where the names differ.
var actions = map[string]string{
	"HeadObject": "GetObject", "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket",
	"CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
}

// rightsNeeded collects the rights that calls need.
type rightsNeeded struct {
	mu   sync.Mutex // guards seen
	seen map[right]bool
}

// watch is the hook of the SDK.
func (r *rightsNeeded) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("claimcheck:Rights",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleInitialize(ctx, in)
			r.note(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), in.Parameters, err)
			return out, meta, err
		}), middleware.Before)
}

func (r *rightsNeeded) note(service, operation string, input any, err error) {
	field := func(name string) string {
		if f := reflect.ValueOf(input).Elem().FieldByName(name); f.IsValid() && f.Kind() == reflect.Pointer && !f.IsNil() {
			return f.Elem().String()
		}
		return ""
	}
	action := operation
	if other, ok := actions[operation]; ok {
		action = other
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if service == "SQS" {
		r.seen[right{"sqs:" + action, "arn:aws:sqs:REGION:ACCOUNT:QUEUE"}] = true
		return
	}
	bucket := "arn:aws:s3:::BUCKET"
	folder, _, _ := strings.Cut(field("Key"), "/")
	if folder == "proof" { // this test uses a custom endpoint; on AWS it is not read
		return
	}
	if folder == "" {
		r.seen[right{"s3:" + action, bucket}] = true
		return
	}
	object := bucket + "/" + folder + "/*"
	r.seen[right{"s3:" + action, object}] = true
	if field("IfMatch") != "" { // S3 compares only for callers that may read the object
		r.seen[right{"s3:GetObject", object}] = true
	}
	if err != nil && strings.Contains(err.Error(), "StatusCode: 404") { // else S3 would say 403
		r.seen[right{"s3:ListBucket", bucket}] = true
	}
}

func (r *rightsNeeded) has(one right) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[one]
}

// policy is a document of docs/iam.
type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect      string
		Action, Resource oneOrMore
		Principal        map[string]string
		Condition        map[string]map[string]string
	}
}

// oneOrMore is a JSON string, or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		*o = make(oneOrMore, 1)
		return json.Unmarshal(raw, &(*o)[0])
	}
	return json.Unmarshal(raw, (*[]string)(o))
}

func readPolicy(t *testing.T, name string) policy {
	t.Helper()
	raw, err := os.ReadFile(awstest.Module("docs/iam/" + name))
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Version != "2012-10-17" {
		t.Fatalf("%s is not a policy: %v", name, err)
	}
	return p
}

// granted returns each action on each resource that a policy allows. It refuses wildcards
// in actions, which would allow more than the test can see.
func (p policy) granted(t *testing.T) map[right]bool {
	t.Helper()
	all := map[right]bool{}
	for _, s := range p.Statement {
		if s.Effect != "Allow" || len(s.Condition) > 0 {
			t.Errorf("statement %s is more than a plain permission", s.Sid)
		}
		for _, a := range s.Action {
			if strings.Contains(a, "*") {
				t.Errorf("statement %s allows %s; name each action", s.Sid, a)
			}
			for _, r := range s.Resource {
				all[right{a, r}] = true
			}
		}
	}
	return all
}

// TestPoliciesAreEnoughAndNoMore runs jobs through all that can happen to them, and
// compares the rights that server and worker needed with those in docs/iam.
func TestPoliciesAreEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	api, worker := &rightsNeeded{seen: map[right]bool{}}, &rightsNeeded{seen: map[right]bool{}}
	liveThroughEverything(t, api, worker)
	// Lambda's event source mapping receives with the worker's role, and needs this.
	worker.seen[right{"sqs:GetQueueAttributes", "arn:aws:sqs:REGION:ACCOUNT:QUEUE"}] = true
	for name, needed := range map[string]*rightsNeeded{"server.json": api, "worker.json": worker} {
		granted := readPolicy(t, name).granted(t)
		for r := range needed.seen {
			if !granted[r] {
				t.Errorf("%s does not allow %s on %s, which is called", name, r.action, r.resource)
			}
		}
		for r := range granted {
			if !needed.seen[r] {
				t.Errorf("%s allows %s on %s, which nothing calls", name, r.action, r.resource)
			}
		}
	}
}

// TestTrustPolicy compares the trust policy with the code: with its default audience, and
// pinned to one service account.
func TestTrustPolicy(t *testing.T) {
	t.Parallel()
	p := readPolicy(t, "trust-google.json")
	if len(p.Statement) != 1 {
		t.Fatalf("%d statements", len(p.Statement))
	}
	s := p.Statement[0]
	want := map[string]string{
		"accounts.google.com:sub": "SERVICE_ACCOUNT_ID", "accounts.google.com:aud": "SERVICE_ACCOUNT_ID", "accounts.google.com:oaud": workloadidentity.DefaultAudience,
	}
	if s.Effect != "Allow" || !slices.Equal(s.Action, oneOrMore{"sts:AssumeRoleWithWebIdentity"}) || s.Principal["Federated"] != "accounts.google.com" ||
		len(s.Condition) != 1 || !maps.Equal(s.Condition["StringEquals"], want) {
		t.Errorf("got %+v", s)
	}
}

// liveThroughEverything makes every call that server and worker ever make.
func liveThroughEverything(t *testing.T, api, worker *rightsNeeded) {
	t.Helper()
	const mib = 1 << 20
	image := apptest.Photograph(t)
	large := slices.Concat(image, make([]byte, 6*mib)) // a JPEG with data after its end is still a JPEG
	hung := make(chan struct{}, 16)
	later := true
	processor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		switch mode := r.Header.Get("X-Params"); {
		case strings.Contains(mode, "refuse"):
			http.Error(w, "no", http.StatusBadRequest)
		case strings.Contains(mode, "later") && later:
			later = false
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(mode, "hang"):
			w.Write(large)
			w.(http.Flusher).Flush()
			hung <- struct{}{}
			<-r.Context().Done()
		default:
			w.Write(body)
		}
	}))
	t.Cleanup(processor.Close)
	s := apptest.StartWatched(t, apptest.Watch{API: api.watch, Worker: worker.watch}, "PROCESSOR="+processor.URL, "LEASE=3s", "MAX_INLINE_BYTES=32MiB", "CONCURRENCY=8",
		"WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1")
	called := make(chan struct{}, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called <- struct{}{} }))
	t.Cleanup(receiver.Close)
	want := func(a apptest.Answer, status int) apptest.Answer {
		t.Helper()
		if a.StatusCode != status {
			t.Fatalf("%s %s: %s: %s", a.Request.Method, a.Request.URL.Path, a.Status, a.Bytes)
		}
		return a
	}
	post := func(body []byte, header ...string) string {
		t.Helper()
		header = append([]string{"Content-Type", "image/jpeg"}, header...)
		return want(apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), header...), 202).Header.Get("Location")
	}
	want(apptest.Get(t, s.URL+"/ready"), 200)
	want(apptest.Get(t, s.URL+"/jobs/01a205c3-98c3-73a4-8dce-5da8191d9b77"), 404)

	plain := post(image, "Idempotency-Key", "one")
	if again := post(image, "Idempotency-Key", "one"); again != plain {
		t.Errorf("the same key names %s and %s", plain, again)
	}
	parts := post(large)
	abort(t, s.URL+"/jobs", large)

	announce := func() (location string) {
		a := want(apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(fmt.Sprintf(`{"content_type": "image/jpeg", "size_bytes": %d}`, len(image))),
			"Content-Type", "application/json"), 202)
		return a.Header.Get("Location")
	}
	upload := func(location string, body []byte) {
		t.Helper()
		up := apptest.Get(t, location).JSON(t)["upload"].(map[string]any)
		var header []string
		for name, value := range up["headers"].(map[string]any) {
			header = append(header, name, value.(string))
		}
		want(apptest.Do(t, http.MethodPut, up["url"].(string), bytes.NewReader(body), header...), 200)
	}
	direct, bad := announce(), announce()
	want(apptest.Do(t, http.MethodPost, direct+"/commit", nil), 409)
	upload(direct, image)
	want(apptest.Do(t, http.MethodPost, direct+"/commit", nil), 202)
	upload(bad, bytes.Repeat([]byte("x"), len(image)))
	want(apptest.Do(t, http.MethodPost, bad+"/commit", nil), 415)

	// An existing output makes the worker look before it writes.
	taken := post(image)
	key := "output/" + path.Base(taken)
	if _, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader("left behind")}); err != nil {
		t.Fatal(err)
	}
	hooked := want(s.Submit(t, image, "webhook", receiver.URL), 202).Header.Get("Location")
	rejected := postParams(t, s, image, "refuse")
	delayed := postParams(t, s, image, "later")
	hanging := postParams(t, s, image, "hang")
	stop := s.StartWorker(t)

	<-hung // its output is half sent; the job is deleted, and its worker cleans up
	want(apptest.Do(t, http.MethodDelete, hanging, nil), 204)
	for _, l := range []string{plain, parts, direct, taken, delayed} {
		if a := apptest.Await(t, l); a.JSON(t)["status"] != "completed" {
			t.Errorf("%s", a.Bytes)
		}
	}
	if a := apptest.Await(t, rejected); a.JSON(t)["status"] != "failed" {
		t.Errorf("%s", a.Bytes)
	}
	want(apptest.Get(t, taken+"/output", "Range", "bytes=0-99"), 206)
	<-called
	want(apptest.Get(t, hooked+"/deliveries"), 200)
	want(apptest.Do(t, http.MethodPost, hooked+"/deliveries", nil), 202)
	<-called
	want(apptest.Do(t, http.MethodDelete, hooked, nil), 204)
	day := time.Now().UTC().Format(time.DateOnly)
	want(apptest.Get(t, s.URL+"/usage?from="+day+"&to="+day), 200)
	want(apptest.Do(t, http.MethodDelete, plain, nil), 204)
	// The worker of the deleted job notices at its next renewal, and removes what it has
	// sent.
	over := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !worker.has(right{"s3:DeleteObject", "arn:aws:s3:::BUCKET/output/*"}) {
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("the output of the deleted job is still there")
		}
	}
	stop()
}

func postParams(t *testing.T, s *apptest.System, image []byte, mode string) string {
	t.Helper()
	a := s.Submit(t, image, "params", fmt.Sprintf(`{"mode": %q}`, mode))
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", a.Status, a.Bytes)
	}
	return a.Header.Get("Location")
}

// abort posts a body that breaks off after its first part was sent.
func abort(t *testing.T, url string, body []byte) {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		w.Write(body)
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "image/jpeg")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}
