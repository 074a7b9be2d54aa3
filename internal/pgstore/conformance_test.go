package pgstore_test

import (
	"os"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// provisioned returns the URL of a database with the schema.
func provisioned(tb testing.TB) string {
	tb.Helper()
	url := pgtest.Start(tb)
	if _, _, err := pgstore.Provision(tb.Context(), url); err != nil {
		tb.Fatal(err)
	}
	return url
}

// open returns the database of a URL.
func open(tb testing.TB, url string) *pgstore.DB {
	tb.Helper()
	db, err := pgstore.Open(url, pgstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	return db
}

func openQueue(tb testing.TB) jobtest.QueueFixture {
	url := provisioned(tb)
	return jobtest.QueueFixture{
		Queue: pgstore.NewQueue(open(tb, url), pgstore.QueueOptions{Wait: time.Second}),
		PutRaw: func(tb testing.TB, body string) {
			pgtest.Exec(tb, url, `INSERT INTO claimcheck.messages (queue, body) VALUES ('jobs', $1)`, body)
		},
	}
}

func TestQueueConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestQueue(t, func(t *testing.T) jobtest.QueueFixture { return openQueue(t) })
}

func BenchmarkQueue(b *testing.B) {
	jobtest.BenchmarkQueue(b, func(b *testing.B) jobtest.QueueFixture { return openQueue(b) })
}

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestOutbox(t, func(t *testing.T) jobtest.OutboxFixture {
		db := open(t, provisioned(t))
		s, q := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{Wait: time.Second})
		return jobtest.OutboxFixture{Outbox: pgstore.NewOutbox(s, q), Documents: s, Queue: q}
	})
}

// TestOutboxOfTwoDatabases finds none.
func TestOutboxOfTwoDatabases(t *testing.T) {
	t.Parallel()
	s, q := pgstore.NewStore(open(t, "postgres://h/a")), pgstore.NewQueue(open(t, "postgres://h/b"), pgstore.QueueOptions{})
	if pgstore.NewOutbox(s, q) != nil {
		t.Error("documents and messages of two databases can be written in one step")
	}
}

// putRaw stores bytes in place of a job's document.
func putRaw(tb testing.TB, url string, id job.ID, raw []byte) {
	pgtest.Exec(tb, url, `
		INSERT INTO claimcheck.jobs (id, revision, document) VALUES ($1, 'raw', $2)
		ON CONFLICT (id) DO UPDATE SET revision = 'raw', document = $2`, string(id), raw)
}

func TestChangesConform(t *testing.T) {
	t.Parallel()
	jobtest.TestChanges(t, func(t *testing.T) jobtest.ChangesFixture {
		store := pgstore.NewStore(open(t, provisioned(t)))
		return jobtest.ChangesFixture{Changes: store, Documents: store}
	})
}
