package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// hidden is a visibility that lasts longer than a test.
const hidden = time.Hour

// listening waits until notifications arrive at a database's listener.
func listening(t *testing.T, db *pgstore.DB) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !db.Listening() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("no notification can arrive")
		}
	}
}

// waiting receives in the background, from a queue that it has found empty.
func waiting(t *testing.T, db *pgstore.DB, q *pgstore.Queue) <-chan []job.Delivery {
	t.Helper()
	got := make(chan []job.Delivery, 1)
	go func() {
		defer close(got)
		ds, err := q.Receive(t.Context(), 1, hidden)
		if err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		got <- ds
	}()
	listening(t, db)
	return got
}

// TestNotificationOfOtherReleases reads a notification as a receiver of another release does.
func TestNotificationOfOtherReleases(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), "LISTEN claimcheck")
	must(t, err)
	must(t, pgstore.NewQueue(open(t, url), pgstore.QueueOptions{}).Send(t.Context(), job.Message{JobID: job.NewID()}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	must(t, err)
	if want := "queue/jobs"; n.Payload != want {
		t.Errorf("the notification is %q, want %q", n.Payload, want)
	}
}

// TestNotification wakes a receiver of another process, which looks by itself only after
// 20 s: the test fails when its message needs as long.
func TestNotification(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	receiver, sender := open(t, url), open(t, url)
	from := pgstore.NewQueue(receiver, pgstore.QueueOptions{})
	to := pgstore.NewQueue(sender, pgstore.QueueOptions{})
	begin := time.Now()
	for range 3 {
		got := waiting(t, receiver, from)
		must(t, to.Send(t.Context(), job.Message{JobID: job.NewID()}))
		if ds := <-got; len(ds) != 1 {
			t.Fatalf("got %v, want the message", ds)
		}
	}
	if took := time.Since(begin); took > 40*time.Second {
		t.Errorf("three messages took %v: the receiver has looked by itself", took)
	}
}

// TestNotificationOfReturn wakes a receiver when another gives its message back.
func TestNotificationOfReturn(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	receiver, holder := open(t, url), open(t, url)
	q := pgstore.NewQueue(holder, pgstore.QueueOptions{})
	must(t, q.Send(t.Context(), job.Message{JobID: job.NewID()}))
	for range 3 {
		ds, err := q.Receive(t.Context(), 1, hidden)
		if err != nil || len(ds) != 1 {
			t.Fatalf("got %v, %v", ds, err)
		}
		got := waiting(t, receiver, pgstore.NewQueue(receiver, pgstore.QueueOptions{}))
		must(t, q.Extend(t.Context(), ds[0].Receipt, 0))
		again := <-got
		if len(again) != 1 {
			t.Fatalf("got %v, want the message", again)
		}
		must(t, q.Extend(t.Context(), again[0].Receipt, 0))
	}
}

// TestListenerReconnects ends the connection that listens.
func TestListenerReconnects(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	db := open(t, url)
	q := pgstore.NewQueue(db, pgstore.QueueOptions{})
	got := waiting(t, db, q)
	pgtest.Exec(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	must(t, q.Send(t.Context(), job.Message{JobID: job.NewID()}))
	if ds := <-got; len(ds) != 1 {
		t.Errorf("got %v, want the message", ds)
	}
	listening(t, db)
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	db := open(t, provisioned(t))
	q := pgstore.NewQueue(db, pgstore.QueueOptions{Wait: 50 * time.Millisecond, MaxReceives: 2})
	dead, err := q.DeadLetters(t.Context())
	must(t, err)
	poison, good := job.NewID(), job.NewID()
	must(t, q.Send(t.Context(), job.Message{JobID: poison}))
	var receipts []string
	for i := range 2 {
		ds, err := q.Receive(t.Context(), 1, 0)
		if err != nil || len(ds) != 1 || ds[0].JobID != poison || ds[0].Received != i+1 {
			t.Fatalf("delivery %d: %+v, %v", i+1, ds, err)
		}
		receipts = append(receipts, ds[0].Receipt)
	}
	must(t, q.Send(t.Context(), job.Message{JobID: good}))
	// The dead letter is in the way of the good message, and must not hide it.
	ds, err := q.Receive(t.Context(), 1, hidden)
	if err != nil || len(ds) != 1 || ds[0].JobID != good {
		t.Fatalf("got %+v, %v; want job %s", ds, err, good)
	}
	for _, r := range append(receipts, ds[0].Receipt) {
		must(t, dead.Delete(t.Context(), r)) // of another queue
		wantKind(t, dead.Extend(t.Context(), r, 0), job.NotFound)
	}
	for range 5 { // dead letters never die
		ds, err = dead.Receive(t.Context(), 10, 0)
		if err != nil || len(ds) != 1 || ds[0].JobID != poison {
			t.Fatalf("the dead-letter queue has %+v, %v; want job %s", ds, err, poison)
		}
		for _, r := range receipts {
			must(t, q.Delete(t.Context(), r))
			must(t, dead.Delete(t.Context(), r)) // a slow worker's
		}
	}
	must(t, dead.Delete(t.Context(), ds[0].Receipt))
	if ds, err = dead.Receive(t.Context(), 10, 0); err != nil || len(ds) != 0 {
		t.Errorf("got %+v, %v; want nothing", ds, err)
	}
}

func TestQueuesAreApart(t *testing.T) {
	t.Parallel()
	db := open(t, provisioned(t))
	jobs := pgstore.NewQueue(db, pgstore.QueueOptions{Wait: 50 * time.Millisecond})
	other := pgstore.NewQueue(db, pgstore.QueueOptions{Wait: 50 * time.Millisecond, Name: "other"})
	must(t, other.Send(t.Context(), job.Message{JobID: job.NewID()}))
	if ds, err := jobs.Receive(t.Context(), 1, hidden); err != nil || len(ds) != 0 {
		t.Errorf("got %+v, %v; want nothing", ds, err)
	}
	if ds, err := other.Receive(t.Context(), 1, hidden); err != nil || len(ds) != 1 {
		t.Errorf("got %+v, %v; want the message", ds, err)
	}
}

// TestStaleReceipt has a receiver that lost its message to another try to end it.
func TestStaleReceipt(t *testing.T) {
	t.Parallel()
	q := pgstore.NewQueue(open(t, provisioned(t)), pgstore.QueueOptions{Wait: time.Second})
	must(t, q.Send(t.Context(), job.Message{JobID: job.NewID()}))
	first, err := q.Receive(t.Context(), 1, 0)
	must(t, err)
	second, err := q.Receive(t.Context(), 1, hidden)
	must(t, err)
	wantKind(t, q.Extend(t.Context(), first[0].Receipt, 0), job.NotFound)
	must(t, q.Delete(t.Context(), first[0].Receipt))
	must(t, q.Extend(t.Context(), second[0].Receipt, hidden))
}

func TestReceiveIsCanceled(t *testing.T) {
	t.Parallel()
	db := open(t, provisioned(t))
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 1)
	go func() {
		_, err := pgstore.NewQueue(db, pgstore.QueueOptions{}).Receive(ctx, 1, hidden)
		errs <- err
	}()
	listening(t, db)
	cancel()
	wantKind(t, <-errs, job.Canceled)
}

// TestDocumentIsDelivered has the document beside the message, and none that cannot be read.
func TestDocumentIsDelivered(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	db := open(t, url)
	store, q := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{Wait: 50 * time.Millisecond, Documents: true})
	there, damaged := jobtest.NewJob(), job.NewID()
	version, err := store.Create(t.Context(), there)
	must(t, err)
	putRaw(t, url, damaged, []byte("{"))
	for _, id := range []job.ID{there.ID, damaged, job.NewID()} {
		must(t, q.Send(t.Context(), job.Message{JobID: id}))
	}
	pgtest.Exec(t, url, `INSERT INTO claimcheck.messages (queue, body) VALUES ('jobs', '{"job_id":"01234567-0123-0123-0123-0123456789zz"}'), ('jobs', 'x')`)
	got, err := q.Receive(t.Context(), 10, hidden)
	if err != nil || len(got) != 5 {
		t.Fatalf("got %d messages, %v; want 5", len(got), err)
	}
	for _, d := range got {
		switch {
		case d.JobID != there.ID && d.Job != nil:
			t.Errorf("job %q came with a document: %+v", d.JobID, d.Job)
		case d.JobID == there.ID && (d.Job == nil || d.Job.ID != there.ID || d.Job.Version != version || d.Job.Revision != there.Revision):
			t.Errorf("got %+v, want the document at version %s", d.Job, version)
		}
	}
	elsewhere := pgstore.NewQueue(db, pgstore.QueueOptions{})
	must(t, elsewhere.Send(t.Context(), job.Message{JobID: there.ID}))
	if got, err := elsewhere.Receive(t.Context(), 1, hidden); err != nil || len(got) != 1 || got[0].Job != nil {
		t.Errorf("got %+v, %v; want no document", got, err)
	}
}
