// Package stores runs the contract of a whole store on every pair of documents and
// objects that the settings can choose.
package stores_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// pair is a job.Store of two backends.
type pair struct {
	*pgstore.Store
	job.Objects
	images interface{ Ready(context.Context) error }
}

// Ready implements job.Store.
func (p pair) Ready(ctx context.Context) error {
	return errors.Join(p.Store.Ready(ctx), p.images.Ready(ctx))
}

// documents returns documents in a database, and what stores a raw one.
func documents(tb testing.TB) (*pgstore.Store, func(testing.TB, job.ID, []byte)) {
	tb.Helper()
	url := pgtest.Start(tb)
	if _, _, err := pgstore.Provision(tb.Context(), url); err != nil {
		tb.Fatal(err)
	}
	db, err := pgstore.Open(url, pgstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	return pgstore.NewStore(db), func(tb testing.TB, id job.ID, raw []byte) {
		pgtest.Exec(tb, url, `INSERT INTO claimcheck.jobs (id, revision, document) VALUES ($1, 'raw', $2)
			ON CONFLICT (id) DO UPDATE SET revision = 'raw', document = $2`, string(id), raw)
	}
}

func inFolder(tb testing.TB) jobtest.StoreFixture {
	root := tb.TempDir()
	if _, err := dirstore.Provision(root); err != nil {
		tb.Fatal(err)
	}
	images := dirstore.New(root, dirstore.Options{})
	docs, putRaw := documents(tb)
	return jobtest.StoreFixture{Store: pair{docs, images, images}, PutRaw: putRaw, PartBytes: 256 << 10}
}

func inBucket(tb testing.TB, memory *s3store.Memory) jobtest.StoreFixture {
	env := awstest.Start(tb)
	client := s3.NewFromConfig(env.Servers.Config(), func(o *s3.Options) { o.BaseEndpoint = &env.S3URL }, s3store.ClientOptions)
	images := s3store.New(client, env.Bucket, s3store.Options{Memory: memory, Proof: s3store.ForBytes})
	docs, putRaw := documents(tb)
	return jobtest.StoreFixture{Store: pair{docs, images, images}, PutRaw: putRaw, PartBytes: memory.PartBytes()}
}

func TestDatabaseAndFolder(t *testing.T) {
	t.Parallel()
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return inFolder(t) })
}

func TestDatabaseAndBucket(t *testing.T) {
	t.Parallel()
	memory := s3store.NewMemory(s3store.MemoryOptions{})
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return inBucket(t, memory) })
}

func BenchmarkDatabaseAndFolder(b *testing.B) {
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return inFolder(b) })
}
