package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

const (
	domain = "https://abcdefghijklmnopqrstuvwxyz.lambda-url.eu-central-1.on.aws"
	ample  = 60 * time.Second // for one invocation
)

// call has the API answer a request.
func (a *runtimeAPI) call(t *testing.T, method, path string, body []byte, header ...string) answer {
	t.Helper()
	path = strings.TrimPrefix(path, domain)
	return a.invoke(t, document(t, "request.json", func(m map[string]any) {
		h := m["requestContext"].(map[string]any)["http"].(map[string]any)
		m["rawPath"], h["path"], h["method"] = path, path, method
		m["body"] = base64.StdEncoding.EncodeToString(body)
		for i := 0; i+1 < len(header); i += 2 {
			m["headers"].(map[string]any)[header[i]] = header[i+1]
		}
		if body == nil {
			delete(m, "body")
			m["isBase64Encoded"] = false
		}
	}), ample).http(t)
}

// batch takes the messages from the queue, as the event source mapping does, and has the
// worker handle them. It returns the identifiers of the failed messages, and of all.
func (a *runtimeAPI) batch(t *testing.T, env *awstest.Env, timeout time.Duration) (failed, all []string) {
	t.Helper()
	out, err := env.SQS.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &env.QueueURL, MaxNumberOfMessages: 10, VisibilityTimeout: 60, WaitTimeSeconds: 1,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var records []any
	for _, m := range out.Messages {
		all = append(all, *m.MessageId)
		records = append(records, document(t, "message.json", func(r map[string]any) {
			r["messageId"], r["receiptHandle"], r["body"], r["attributes"] = *m.MessageId, *m.ReceiptHandle, *m.Body, m.Attributes
		}))
	}
	r := a.invoke(t, map[string]any{"Records": records}, timeout)
	got := answer{body: r.body}.json(t)
	list, ok := got["batchItemFailures"].([]any)
	if r.failed || !ok {
		t.Fatalf("%q", r.body)
	}
	for _, f := range list {
		failed = append(failed, f.(map[string]any)["itemIdentifier"].(string))
	}
	return failed, all
}

func photo(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(awstest.Path("../../internal/imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func environ(env *awstest.Env) []string { return env.Servers.Env(env.Bucket, env.QueueURL) }

// TestJob runs a job through both kinds of events, beside a message that is not a job's
// and one that cannot be handled yet.
func TestJob(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	a := start(t, environ(env)...)
	submitted := a.call(t, "POST", "/jobs", photo(t))
	location := submitted.Headers["Location"]
	if submitted.StatusCode != 202 || !strings.HasPrefix(location, domain+"/jobs/") {
		t.Fatalf("submit: %d %v: %s", submitted.StatusCode, submitted.Headers, submitted.body)
	}
	taken := &job.Job{ID: job.NewID(), Status: job.Processing, Owner: "x", Worker: "another", LeaseUntil: time.Now().Add(time.Minute), CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if _, err := s3store.New(env.S3, env.Bucket, s3store.Options{}).Create(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"hello", `{"job_id":"` + taken.ID.String() + `"}`} {
		if _, err := env.SQS.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &env.QueueURL, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	if st := a.call(t, "GET", location, nil).json(t); st["status"] != "pending" {
		t.Errorf("before the batch: %v", st)
	}
	if failed, all := a.batch(t, env, ample); len(all) != 3 || len(failed) != 1 || !slices.Contains(all, failed[0]) {
		t.Errorf("of the batch %v failed, of %v", failed, all)
	}
	done := a.call(t, "GET", location, nil)
	if done.StatusCode != 201 || done.Headers["Location"] != location+"/output" {
		t.Fatalf("after the batch: %d: %s", done.StatusCode, done.body)
	}
	output := a.call(t, "GET", location+"/output", nil)
	stored, err := env.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &env.Bucket, Key: aws.String("output/" + strings.TrimPrefix(location, domain+"/jobs/"))})
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(stored.Body)
	if err != nil || output.StatusCode != 200 || output.Headers["Content-Type"] != "image/jpeg" || !bytes.Equal(output.body, want) {
		t.Errorf("output: %d, %d bytes of %d, %v, %v", output.StatusCode, len(output.body), len(want), output.Headers, err)
	}
	if r := a.invoke(t, map[string]any{"detail-type": "Scheduled Event"}, ample); !r.failed || !bytes.Contains(r.body, []byte("neither a request")) {
		t.Errorf("an event of another kind: %q", r.body)
	}
}

// TestAddress checks that policies see the address that Lambda reports, whatever the
// client claims.
func TestAddress(t *testing.T) {
	t.Parallel()
	policies := filepath.Join(t.TempDir(), "network.cedar")
	text := `permit (principal, action, resource) when { context has source && context.source == ip("203.0.113.7") };`
	if err := os.WriteFile(policies, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := start(t, append(environ(awstest.Start(t)), "POLICY_FILE="+policies)...)
	if got := a.call(t, "GET", "/usage", nil, "x-forwarded-for", "192.0.2.1"); got.StatusCode != 200 {
		t.Errorf("from the address: %d: %s", got.StatusCode, got.body)
	}
	got := a.invoke(t, document(t, "request.json", func(m map[string]any) {
		h := m["requestContext"].(map[string]any)["http"].(map[string]any)
		m["rawPath"], h["path"], h["method"], h["sourceIp"] = "/usage", "/usage", "GET", "192.0.2.1"
	}), ample).http(t) // x-forwarded-for is the address that may
	if got.StatusCode != 403 {
		t.Errorf("from another address: %d: %s", got.StatusCode, got.body)
	}
}

// TestWhatLambdaCannotCarry submits more than Lambda's payload allows: the answer offers
// a direct upload, which then works.
func TestWhatLambdaCannotCarry(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	a := start(t, environ(env)...)
	image := append(photo(t), make([]byte, 4<<20)...)
	refused := a.call(t, "POST", "/jobs", image)
	problem := refused.json(t)
	upload, ok := problem["upload"].(map[string]any)
	if refused.StatusCode != 413 || !ok {
		t.Fatalf("%d: %s", refused.StatusCode, refused.body)
	}
	req, err := http.NewRequestWithContext(t.Context(), upload["method"].(string), upload["url"].(string), bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range upload["headers"].(map[string]any) {
		req.Header.Set(name, value.(string))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	location := problem["location"].(string)
	if c := a.call(t, "POST", location+"/commit", nil); c.StatusCode != 202 {
		t.Fatalf("commit: %d: %s", c.StatusCode, c.body)
	}
	if failed, all := a.batch(t, env, ample); len(all) != 1 || len(failed) != 0 {
		t.Errorf("of the batch %v failed, of %v", failed, all)
	}
	if st := a.call(t, "GET", location, nil); st.StatusCode != 201 {
		t.Errorf("%d: %s", st.StatusCode, st.body)
	}
}

// TestDeadline gives a batch too little time for its two jobs, which run one at a time:
// both go back before the end. The one that ran has used up an attempt, the other is
// available at once.
func TestDeadline(t *testing.T) {
	t.Parallel()
	const timeout = 8 * time.Second
	env := awstest.Start(t)
	a := start(t, append(environ(env), "PROCESSOR=exec:sleep 60", "CONCURRENCY=1")...)
	var locations []string
	for range 2 {
		locations = append(locations, a.call(t, "POST", "/jobs", photo(t)).Headers["Location"])
	}
	begin := time.Now()
	failed, all := a.batch(t, env, timeout)
	if took := time.Since(begin); took > timeout || len(all) != 2 || len(failed) != 2 {
		t.Errorf("after %s of %s, %v failed of %v", took, timeout, failed, all)
	}
	attempts := map[any]int{}
	for _, l := range locations {
		attempts[a.call(t, "GET", l, nil).json(t)["attempts"]]++
	}
	if attempts[0.0] != 1 || attempts[1.0] != 1 {
		t.Errorf("jobs by attempts: %v", attempts)
	}
	if _, all := a.batch(t, env, time.Second); len(all) == 0 {
		t.Error("no message is there again")
	}
}

// TestMisconfigured starts the function without its settings: it says so, and every
// message of a batch comes back.
func TestMisconfigured(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := a.call(t, "GET", "/health", nil); got.StatusCode != 500 || !bytes.Contains(got.body, []byte("misconfigured")) {
		t.Errorf("%d: %s", got.StatusCode, got.body)
	}
	r := a.invoke(t, map[string]any{"Records": []any{document(t, "message.json", func(map[string]any) {})}}, ample)
	if !r.failed || !bytes.Contains(r.body, []byte("S3_BUCKET")) {
		t.Errorf("%q", r.body)
	}
}
