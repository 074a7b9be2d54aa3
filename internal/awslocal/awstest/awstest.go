// Package awstest gives tests a bucket and a queue on real S3 and SQS servers in this
// process:
//
//	env := awstest.Start(t)
//
// Tests that run at the same time share one pair of servers; each call gets a bucket and
// a queue of its own. The end of the last of these tests stops the servers and removes
// their data. The next start removes the data of processes that were killed.
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
	// Bucket has no object but the store's proof; QueueURL's queue is empty, with the service's default settings.
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

// Start returns an environment of the test's own, until the test ends.
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

// pair is the one pair of servers that a process has, while tests use it.
var pair struct {
	sync.Mutex
	users   int
	remove  func() error // of their data
	servers *awslocal.Servers
}

// acquire returns the servers, started for the first of their users, and has the end of
// the last user's test stop them and remove their data.
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
	_ = pair.servers.Close(ctx) // a request that a test has left behind is cut off
	if err := pair.remove(); err != nil {
		tb.Errorf("awstest: %v", err)
	}
}
