package s3store_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// newClient returns a client of the environment's S3 as production has it; more is
// applied last.
func newClient(env *awstest.Env, more ...func(*s3.Options)) *s3.Client {
	endpoint := func(o *s3.Options) { o.BaseEndpoint = &env.S3URL }
	return s3.NewFromConfig(env.Servers.Config(), append([]func(*s3.Options){endpoint, s3store.ClientOptions}, more...)...)
}

func openFixture(tb testing.TB, memory *s3store.Memory) jobtest.StoreFixture {
	env := awstest.Start(tb)
	client := newClient(env)
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
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return openFixture(t, memory) })
}

func BenchmarkStore(b *testing.B) {
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return openFixture(b, memory) })
}
