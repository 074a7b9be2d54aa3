package s3store_test

import (
	"bytes"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// newClient returns a client of the environment's S3 as production has it; more is
// applied last.
func newClient(env *awstest.Env, more ...func(*s3.Options)) *s3.Client {
	endpoint := func(o *s3.Options) { o.BaseEndpoint = &env.S3URL }
	return s3.NewFromConfig(env.Servers.Config(), append([]func(*s3.Options){endpoint, s3store.ClientOptions}, more...)...)
}

// overTLS sets a client up for the environment's S3 behind TLS.
func overTLS(tb testing.TB, env *awstest.Env) func(*s3.Options) {
	endpoint, roots := env.TLS(tb)
	return func(o *s3.Options) {
		o.BaseEndpoint = &endpoint
		o.HTTPClient = o.HTTPClient.(*awshttp.BuildableClient).WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig.RootCAs = roots
		})
	}
}

func openFixture(tb testing.TB, memory *s3store.Memory, tls bool) jobtest.StoreFixture {
	env := awstest.Start(tb)
	client := newClient(env)
	if tls {
		client = newClient(env, overTLS(tb, env))
	}
	return jobtest.StoreFixture{
		Store: s3store.New(client, env.Bucket, s3store.Options{Memory: memory}),
		PutRaw: func(tb testing.TB, id job.ID, raw []byte) {
			_, err := client.PutObject(tb.Context(), &s3.PutObjectInput{
				Bucket: &env.Bucket, Key: aws.String("jobs/" + string(id)), Body: bytes.NewReader(raw),
			})
			if err != nil {
				tb.Fatal(err)
			}
		},
		PartBytes: memory.PartBytes(),
	}
}

func TestConforms(t *testing.T) {
	t.Parallel()
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return openFixture(t, memory, tls) })
		})
	}
}

func BenchmarkStore(b *testing.B) {
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return openFixture(b, memory, false) })
}

func TestEventLogsConform(t *testing.T) {
	t.Parallel()
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	jobtest.TestEventLogs(t, func(t *testing.T) job.EventLogs { return openFixture(t, memory, false).Store.(*s3store.Store) })
}
