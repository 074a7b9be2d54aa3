package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

// pythonWorker returns the example of docs/worker.md, written to a file.
func pythonWorker(t *testing.T) (file string) {
	t.Helper()
	page, err := os.ReadFile(awstest.Module("docs/worker.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```python\n")
	code, _, end := strings.Cut(rest, "```\n")
	if !ok || !end {
		t.Fatal("docs/worker.md has no Python")
	}
	lines := 0
	for line := range strings.Lines(code) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 80 {
		t.Errorf("the example has %d lines; a page holds 80", lines)
	}
	file = filepath.Join(t.TempDir(), "worker.py")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// python returns an interpreter with the modules that the examples import.
func python(t *testing.T) string {
	t.Helper()
	return program.Need(t, "python3 with boto3 and Pillow")
}

// bucketProxy is in front of the local S3. It keeps each version of each document, and
// can hold the first read of an input.
type bucketProxy struct {
	*httptest.Server

	mu       sync.Mutex // guards all
	versions map[string][]*job.Job
	faults   []error
	hold     string        // key whose first read is held
	held     chan struct{} // closed when it is
	release  chan struct{}
}

func newBucketProxy(t *testing.T, to string) *bucketProxy {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p := &bucketProxy{versions: map[string][]*job.Job{}, held: make(chan struct{}), release: make(chan struct{})}
	next := &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(u); p.Out.Host = p.In.Host }, // the signature includes the Host
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		p.mu.Lock()
		wait := r.Method == http.MethodGet && key == p.hold && key != ""
		if wait {
			p.hold = ""
		}
		p.mu.Unlock()
		if wait {
			close(p.held)
			<-p.release
		}
		id, ok := strings.CutPrefix(key, "jobs/")
		if r.Method != http.MethodPut || !ok {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the worker was killed
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock() // also over the write, so that versions are kept in their order
		defer p.mu.Unlock()
		s := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(s, r)
		if s.status == http.StatusOK {
			p.keep(id, body, r.Header.Get("If-Match"))
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// holdFirstRead makes the next GET of key wait for release.
func (p *bucketProxy) holdFirstRead(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = key
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// keep records a written version, and its mistakes.
func (p *bucketProxy) keep(id string, body []byte, ifMatch string) {
	// Older SDKs send bodies in chunks with a checksum.
	if i, j := bytes.IndexByte(body, '{'), bytes.LastIndexByte(body, '}'); i >= 0 && j > i {
		body = body[i : j+1]
	}
	var is job.Job
	if err := json.Unmarshal(body, &is); err != nil || len(is.Extra) > 0 {
		p.faults = append(p.faults, fmt.Errorf("no document of ours: %s (%v)", body, err))
		return
	}
	if ifMatch == "" {
		p.faults = append(p.faults, fmt.Errorf("job %s is written without If-Match", id))
	}
	if before := p.versions[id]; len(before) > 0 {
		if err := jobtest.CheckStep(before[len(before)-1], &is); err != nil {
			p.faults = append(p.faults, err)
		}
	}
	p.versions[id] = append(p.versions[id], &is)
}

// TestPythonWorker runs the worker of docs/worker.md, unchanged, on jobs that are
// delivered twice, on a broken image, and on a job during which it is killed.
func TestPythonWorker(t *testing.T) {
	t.Parallel()
	interpreter, file := python(t), pythonWorker(t)
	l := service.StartLocal(t, append(service.LocalFlags(t), "--no-worker"))
	environ := exports(l.Exports())
	proxy := newBucketProxy(t, environ["AWS_ENDPOINT_URL_S3"])
	start := func() *exec.Cmd { return startPython(t, interpreter, file, environ, proxy.URL) }
	submit := func(image []byte) (id string) {
		ct, body := apptest.Form(t, image)
		a := apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		return a.JSON(t)["job_id"].(string)
	}

	victim := submit(apptest.Photograph(t))
	proxy.holdFirstRead("input/" + victim)
	first := start()
	select {
	case <-proxy.held:
	case <-time.After(2 * time.Minute):
		t.Fatal("the worker does not begin")
	}
	if got := apptest.Get(t, l.URL+"/jobs/"+victim).JSON(t)["status"]; got != "processing" {
		t.Errorf("in the middle of the job it is %v", got)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	close(proxy.release)

	good := []string{victim}
	for range 3 {
		good = append(good, submit(apptest.Photograph(t)))
	}
	broken := submit(apptest.Photograph(t)[:5000])
	queue := environ.sqs()
	for _, id := range append(good, broken) {
		_, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(environ["SQS_QUEUE_URL"]), MessageBody: aws.String(`{"job_id":"` + id + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	start()
	start()
	for _, id := range good {
		a := apptest.Await(t, l.URL+"/jobs/"+id)
		attempts := 1.0
		if id == victim {
			attempts = 2
		}
		if got := a.JSON(t); a.StatusCode != http.StatusCreated || got["attempts"] != attempts {
			t.Errorf("job %s ended with %s: %s", id, a.Status, a.Bytes)
			continue
		}
		out := apptest.Get(t, l.URL+"/jobs/"+id+"/output")
		if _, err := png.Decode(bytes.NewReader(out.Bytes)); err != nil || out.Header.Get("Content-Type") != "image/png" {
			t.Errorf("output of job %s is not a PNG: %v", id, err)
		}
	}
	a := apptest.Await(t, l.URL+"/jobs/"+broken)
	if got := a.JSON(t); got["status"] != "failed" || got["message"] != "the image cannot be read" {
		t.Errorf("the broken image's job ended with %s", a.Bytes)
	}
	environ.awaitEmptyQueue(t)
	total := apptest.Get(t, l.URL+"/usage").JSON(t)["total"].(map[string]any)
	if total["jobs"] != 5.0 || total["completed"] != 4.0 || total["failed"] != 1.0 {
		t.Errorf("usage is %v", total)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	for _, fault := range proxy.faults {
		t.Error(fault)
	}
	if n := len(proxy.versions[victim]); n < 3 { // claim, claim, end
		t.Errorf("the document of the job that was taken over was written %d times", n)
	}
	sameBills(t, environ, append(good, broken))
}

// startPython starts the worker in Python, which finds its bucket behind this endpoint.
func startPython(t *testing.T, interpreter, file string, environ exports, endpoint string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(interpreter, file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LEASE_SECONDS=2"}
	for k, v := range environ {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL_S3="+endpoint) // the last one counts
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the worker said:\n%s", out.Bytes())
		}
	})
	return cmd
}

// sameBills removes the usage records, has the worker in Go write them again, and
// compares.
func sameBills(t *testing.T, environ exports, ids []string) {
	t.Helper()
	before := environ.records(t)
	if len(before) != len(ids) {
		t.Errorf("%d usage records of %d jobs", len(before), len(ids))
	}
	for key := range before {
		if _, err := environ.s3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(environ["S3_BUCKET"]), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		_, err := environ.sqs().SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(environ["SQS_QUEUE_URL"]), MessageBody: aws.String(`{"job_id":"` + id + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	vars := []string{}
	for k, v := range environ {
		vars = append(vars, k+"="+v)
	}
	w, err := service.Commands(t).Start("worker", vars)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	environ.awaitEmptyQueue(t)
	if diff := cmp.Diff(environ.records(t), before); diff != "" {
		t.Errorf("usage records of Go (-) and Python (+):\n%s", diff)
	}
}

// exports are the variables that `claimcheck local` prints for other programs.
type exports map[string]string

func (e exports) config(endpoint string) aws.Config {
	return aws.Config{
		Region: e["AWS_REGION"], BaseEndpoint: aws.String(e[endpoint]),
		Credentials: credentials.NewStaticCredentialsProvider(e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"], ""),
	}
}

func (e exports) s3() *s3.Client {
	return s3.NewFromConfig(e.config("AWS_ENDPOINT_URL_S3"), func(o *s3.Options) { o.UsePathStyle = true })
}

func (e exports) sqs() *sqs.Client { return sqs.NewFromConfig(e.config("AWS_ENDPOINT_URL_SQS")) }

// records returns all usage records by their keys.
func (e exports) records(t *testing.T) map[string]job.UsageRecord {
	t.Helper()
	client, bucket := e.s3(), e["S3_BUCKET"]
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("usage/")})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]job.UsageRecord{}
	for _, o := range list.Contents {
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(got.Body)
		d.DisallowUnknownFields()
		var u job.UsageRecord
		if err := d.Decode(&u); err != nil {
			t.Errorf("%s: %v", *o.Key, err)
		}
		got.Body.Close()
		all[*o.Key] = u
	}
	return all
}

// awaitEmptyQueue waits until no message is left, hidden ones included.
func (e exports) awaitEmptyQueue(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := e.sqs().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(e["SQS_QUEUE_URL"]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			t.Fatalf("the queue does not become empty: %v", err)
		}
		if got.Attributes["ApproximateNumberOfMessages"]+got.Attributes["ApproximateNumberOfMessagesNotVisible"] == "00" {
			return
		}
		<-tick.C
	}
}
