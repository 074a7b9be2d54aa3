// Package awstest gives tests a bucket and a queue on real S3 and SQS servers in this
// process:
//
//	env := awstest.Start(t)
//
// Tests that run at the same time share one pair of servers; each call gets its own
// bucket and queue. When the last of these tests ends, it stops the servers and removes
// their data. The next start removes the data of killed processes.
//
// While the servers run, the process's working directory is the S3 data folder (see
// [awslocal.Start]). A test that reads files beside its package passes their names
// through [Path].
package awstest

import (
	"context"
	"errors"
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
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/test/leftover"
)

// Env is one test's bucket and queue.
type Env struct {
	// Bucket is empty except for the store's proof; QueueURL's queue is empty, with the
	// service's default settings.
	Bucket, QueueURL string
	// S3 and SQS are clients with the SDK's default retries.
	S3  *s3.Client
	SQS *sqs.Client
	// S3URL and SQSURL are the endpoints, for clients of the test's own.
	S3URL, SQSURL string
	// AccessKey, SecretKey and Region are those of signatures.
	AccessKey, SecretKey, Region string
	// Servers is the shared pair. A test must not close it.
	Servers *awslocal.Servers

	recorder *recorder
}

// Start returns an environment for this test, until the test ends.
func Start(tb testing.TB) *Env {
	tb.Helper()
	servers, err := acquire(tb)
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
		recorder:  &recorder{},
	}
	if err := servers.EnsureBucket(tb.Context(), name); err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	if env.QueueURL, err = servers.EnsureQueue(tb.Context(), name, awslocal.QueueOptions{}); err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	recorders.Store(name, env.recorder)
	tb.Cleanup(func() { recorders.Delete(name) })
	return env
}

// Keys returns the keys of the objects in the bucket, without the store's proof.
func (e *Env) Keys(tb testing.TB) []string {
	tb.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(e.S3, &s3.ListObjectsV2Input{Bucket: &e.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(tb.Context())
		if err != nil {
			tb.Fatalf("awstest: %v", err)
		}
		for _, o := range page.Contents {
			if *o.Key != proof.Key {
				keys = append(keys, *o.Key)
			}
		}
	}
	return keys
}

// Count returns the number of calls of each operation on this environment's bucket and
// queue, by any client, successful or not: "S3 PutObject" → 2. It counts a request before
// its answer, and does not count the calls of Start.
func (e *Env) Count() map[string]int {
	counts := map[string]int{}
	for _, c := range e.Calls() {
		counts[c.Service+" "+c.Operation]++
	}
	return counts
}

// Calls returns the calls in the order of their arrival.
func (e *Env) Calls() []awslocal.Call {
	e.recorder.mu.Lock()
	defer e.recorder.mu.Unlock()
	return slices.Clone(e.recorder.calls)
}

// ResetCount forgets all calls so far.
func (e *Env) ResetCount() {
	e.recorder.mu.Lock()
	defer e.recorder.mu.Unlock()
	e.recorder.calls = e.recorder.calls[:0]
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

// recorder keeps the calls of one environment.
type recorder struct {
	mu    sync.Mutex // guards calls
	calls []awslocal.Call
}

func (t *recorder) add(call awslocal.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, call)
}

// recorders finds an environment's recorder by the common name of its bucket and queue.
var recorders sync.Map

func observe(call awslocal.Call) {
	if t, ok := recorders.Load(call.Resource); ok {
		t.(*recorder).add(call)
	}
}

// origin is the working directory before the first Start.
var origin = sync.OnceValues(os.Getwd)

// Path returns the absolute path of rel, which is relative to the directory of the test's
// package.
func Path(rel string) string {
	dir, err := origin()
	if err != nil {
		panic(fmt.Sprintf("awstest: %v", err))
	}
	return filepath.Join(dir, rel)
}

// Module returns the absolute path of a file by its path in the module.
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

// pair is the pair of servers of this process, while tests use it.
var pair struct {
	sync.Mutex
	users   int
	remove  func() error // of their data
	servers *awslocal.Servers
}

// acquire returns the servers. It starts them for their first user, and stops them and
// removes their data when the test of their last user ends.
func acquire(tb testing.TB) (*awslocal.Servers, error) {
	if _, err := origin(); err != nil {
		return nil, err
	}
	pair.Lock()
	defer pair.Unlock()
	if pair.users == 0 {
		dir, remove, err := leftover.Dir("claimcheck-backends-")
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		servers, err := awslocal.Start(ctx, awslocal.Options{Dir: dir, NoSync: true, Observe: observe, Origins: []string{"*"}})
		if err != nil {
			return nil, errors.Join(err, remove())
		}
		pair.remove, pair.servers = remove, servers
	}
	pair.users++
	tb.Cleanup(func() { release(tb) })
	return pair.servers, nil
}

func release(tb testing.TB) {
	pair.Lock()
	defer pair.Unlock()
	if pair.users--; pair.users > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = pair.servers.Close(ctx) // a request that a test left behind is cut off
	if err := pair.remove(); err != nil {
		tb.Errorf("awstest: %v", err)
	}
}
