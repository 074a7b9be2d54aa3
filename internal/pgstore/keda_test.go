package pgstore_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// TestQueryOfKEDA runs the query of the manifest for KEDA: it
// counts the messages that wait or are in work, and no others.
func TestQueryOfKEDA(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/kubernetes/keda-postgresql.yaml")
	if err != nil {
		t.Fatal(err)
	}
	query := regexp.MustCompile(`(?m)^ +query: "(.+)"$`).FindSubmatch(page)
	if query == nil {
		t.Fatal("the manifest has no query")
	}
	url := provisioned(t)
	q := pgstore.NewQueue(open(t, url), pgstore.QueueOptions{Wait: time.Second})
	for range 3 {
		must(t, q.Send(t.Context(), job.Message{JobID: job.NewID()}))
	}
	if got, err := q.Receive(t.Context(), 1, time.Minute); err != nil || len(got) != 1 {
		t.Fatalf("received %d messages: %v", len(got), err)
	}
	pgtest.Exec(t, url, `INSERT INTO claimcheck.messages (queue, body, visible_at) VALUES
		('jobs', 'x', now() + interval '1 hour'), ('jobs-dead', 'x', now()), ('webhooks', 'x', now())`)
	pgtest.Exec(t, url, `CREATE TABLE public.counted AS `+string(query[1]))
	pgtest.Exec(t, url, `DO $$ BEGIN ASSERT (SELECT count = 3 FROM public.counted); END $$`)
}
