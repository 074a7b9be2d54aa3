package pgstore_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

func TestDepth(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	q := pgstore.NewQueue(open(t, url), pgstore.QueueOptions{Wait: time.Second})
	ctx := t.Context()
	for range 3 {
		must(t, q.Send(ctx, job.Message{JobID: job.NewID()}))
	}
	pgtest.Exec(t, url, `INSERT INTO claimcheck.messages (queue, body) VALUES ('jobs-dead', 'x'), ('webhooks', 'x')`)
	if got, err := q.Receive(ctx, 1, time.Hour); err != nil || len(got) != 1 {
		t.Fatalf("received %d messages: %v", len(got), err)
	}
	got, err := q.Depth(ctx)
	if want := (job.Depth{Visible: 2, Hidden: 1, Dead: 1, CountsDead: true}); err != nil || got != want {
		t.Errorf("depth is %+v, %v; want %+v", got, err, want)
	}
}
