// Package awstest gives tests a bucket and a queue on real S3 and SQS servers in this
// process:
//
//	env := awstest.Start(t)
//
// All tests of a process share one pair of servers, started by the first call; each
// call gets a bucket and a queue of its own, so that tests can run in parallel.
//
// From the first Start on, the process's working directory is the S3 data folder (see
// [awslocal.Start]). A test that reads files beside its package passes their names
// through [Path].
package awstest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"claimcheck.example/internal/awslocal"
)

// Env is one test's bucket and queue.
type Env struct {
	// Bucket is empty; QueueURL's queue is empty, with the service's default settings.
	Bucket, QueueURL string
	// S3 and SQS are clients with the SDK's default retries.
	S3  *s3.Client
	SQS *sqs.Client
	// S3URL and SQSURL are the endpoints, for clients of the test's own.
	S3URL, SQSURL string
	// AccessKey, SecretKey and Region are what requests must be signed with.
	AccessKey, SecretKey, Region string
	// Servers is the shared pair. A test must not close it.
	Servers *awslocal.Servers

	tally *tally
}

// Start returns an environment of the test's own. What the test leaves in it is
// removed with the process's data folder.
func Start(tb testing.TB) *Env {
	tb.Helper()
	servers, err := shared()
	if err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	name := "t-" + uuid.NewString()
	env := &Env{
		Bucket:    name,
		S3:        servers.S3Client(),
		SQS:       servers.SQSClient(),
		S3URL:     servers.S3URL(),
		SQSURL:    servers.SQSURL(),
		AccessKey: awslocal.DefaultAccessKey,
		SecretKey: awslocal.DefaultSecretKey,
		Region:    awslocal.DefaultRegion,
		Servers:   servers,
		tally:     &tally{},
	}
	if err := servers.EnsureBucket(tb.Context(), name); err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	if env.QueueURL, err = servers.EnsureQueue(tb.Context(), name, awslocal.QueueOptions{}); err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	tallies.Store(name, env.tally)
	tb.Cleanup(func() { tallies.Delete(name) })
	return env
}

// Count returns how often each operation was asked for on this environment's bucket
// and queue, by any client, whether it succeeded or not: "S3 PutObject" → 2. A request
// is counted before it is answered. The calls of Start itself are not counted.
func (e *Env) Count() map[string]int {
	counts := map[string]int{}
	for _, c := range e.Calls() {
		counts[c.Service+" "+c.Operation]++
	}
	return counts
}

// Calls returns what Count counts, in the order of arrival.
func (e *Env) Calls() []awslocal.Call {
	e.tally.mu.Lock()
	defer e.tally.mu.Unlock()
	return slices.Clone(e.tally.calls)
}

// ResetCount forgets all calls so far.
func (e *Env) ResetCount() {
	e.tally.mu.Lock()
	defer e.tally.mu.Unlock()
	e.tally.calls = e.tally.calls[:0]
}

// SetQueueAttributes changes settings of the environment's queue, such as
// VisibilityTimeout or RedrivePolicy.
func (e *Env) SetQueueAttributes(tb testing.TB, attributes map[string]string) {
	tb.Helper()
	_, err := e.SQS.SetQueueAttributes(tb.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(e.QueueURL), Attributes: attributes,
	})
	if err != nil {
		tb.Fatalf("awstest: %v", err)
	}
}

// tally keeps one environment's requests.
type tally struct {
	mu    sync.Mutex // guards calls
	calls []awslocal.Call
}

func (t *tally) add(call awslocal.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, call)
}

// tallies finds an environment's tally by the name that its bucket and queue have.
var tallies sync.Map

func observe(call awslocal.Call) {
	if t, ok := tallies.Load(call.Resource); ok {
		t.(*tally).add(call)
	}
}

// origin is the working directory of before the first Start.
var origin = sync.OnceValues(os.Getwd)

// Path returns the absolute path of rel, which is relative to the directory that the
// test was started in: the package's own.
func Path(rel string) string {
	dir, err := origin()
	if err != nil {
		panic(fmt.Sprintf("awstest: %v", err))
	}
	return filepath.Join(dir, rel)
}

// Module returns the absolute path of a file by its path in the module, whichever package
// the test is of.
func Module(name string) string {
	root := Path(".")
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, name)
		}
		parent := filepath.Dir(root)
		if parent == root {
			panic("awstest: no folder above the test has a go.mod")
		}
		root = parent
	}
}

const dirPrefix = "claimcheck-awstest-"

// shared starts the servers once. Nothing tells a package that its process ends, so
// the data folder stays behind, and the next process that starts removes it.
var shared = sync.OnceValues(func() (*awslocal.Servers, error) {
	if _, err := origin(); err != nil {
		return nil, err
	}
	removeLeftovers()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return awslocal.Start(ctx, awslocal.Options{Dir: dir, NoSync: true, Observe: observe})
})
