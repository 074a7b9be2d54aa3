package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres://h/claims")
	code := func(c string) error { return fmt.Errorf("query: %w", &pgconn.PgError{Code: c, Message: "m"}) }
	tests := []struct {
		err  error
		want job.Kind
		hint string
	}{
		{io.ErrUnexpectedEOF, job.Unavailable, ""},
		{context.DeadlineExceeded, job.Unavailable, ""},
		{pgstore.ErrNoRows, job.NotFound, ""},
		{code("08006"), job.Unavailable, ""},
		{code("25006"), job.Unavailable, "standby"},
		{code("40001"), job.Unavailable, ""},
		{code("40P01"), job.Unavailable, ""},
		{code("53100"), job.Unavailable, ""},
		{code("53300"), job.Unavailable, ""},
		{code("55P03"), job.Unavailable, ""},
		{code("57014"), job.Unavailable, ""},
		{code("57P01"), job.Unavailable, ""},
		{code("57P03"), job.Unavailable, ""},
		{code("57P04"), job.Misconfigured, "createdb"},
		{code("58030"), job.Unavailable, ""},
		{code("28P01"), job.Misconfigured, "password"},
		{code("28000"), job.Misconfigured, "password"},
		{code("3D000"), job.Misconfigured, "createdb"},
		{code("3F000"), job.Misconfigured, "claimcheck provision"},
		{code("42P01"), job.Misconfigured, "claimcheck provision"},
		{code("42703"), job.Misconfigured, "older than this release"},
		{code("42501"), job.Misconfigured, "--grant"},
		{code("22P02"), job.NotFound, ""},
		{code("XX000"), job.Unknown, ""},
		{job.Errorf(job.Conflict, "as it is"), job.Conflict, "as it is"},
	}
	for _, tt := range tests {
		got := db.Translate(t.Context(), tt.err)
		if job.KindOf(got) != tt.want || !errors.Is(got, tt.err) || !strings.Contains(got.Error(), tt.hint) {
			t.Errorf("%v: got %v of kind %v, want kind %v and the words %q", tt.err, got, job.KindOf(got), tt.want, tt.hint)
		}
		if tt.want != job.Unknown && job.MessageOf(got) == "" {
			t.Errorf("%v: no sentence for the client", tt.err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := db.Translate(ended, io.EOF); job.KindOf(got) != job.Canceled {
		t.Errorf("got %v, want Canceled", got)
	}
	if db.Translate(t.Context(), nil) != nil {
		t.Error("nil became an error")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	store := pgstore.NewStore(open(t, provisioned(t)))
	day := time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC)
	owners := []string{"a", "b", "nul\x00|ü", strings.Repeat("long", 4000), ""}
	want := map[string][]string{}
	for i, owner := range owners {
		for d := range 3 {
			id := job.NewID()
			record := fmt.Sprintf("%d/%d", i, d)
			must(t, store.RecordUsage(t.Context(), owner, day.AddDate(0, 0, d), id, []byte(record)))
			must(t, store.RecordUsage(t.Context(), owner, day.AddDate(0, 0, d), id, []byte("a second record")))
			want[owner] = append(want[owner], record)
		}
	}
	var all []string
	for _, owner := range owners {
		if got := records(t, store, owner, day, day.AddDate(0, 0, 2)); !slices.Equal(got, want[owner]) {
			t.Errorf("%.9q: got %q, want %q", owner, got, want[owner])
		}
		if got := records(t, store, owner, day.AddDate(0, 0, 1), day.AddDate(0, 0, 1)); !slices.Equal(got, want[owner][1:2]) {
			t.Errorf("%.9q: got %q of the second day, want %q", owner, got, want[owner][1:2])
		}
		all = append(all, want[owner]...)
	}
	var got []string
	for record, err := range store.ReadUsageOfAll(t.Context(), day, day.AddDate(0, 0, 9)) {
		must(t, err)
		got = append(got, string(record))
	}
	slices.Sort(got)
	slices.Sort(all)
	if !slices.Equal(got, all) {
		t.Errorf("of all owners: got %q, want %q", got, all)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range store.ReadUsage(ended, "a", day, day) {
		wantKind(t, err, job.Canceled)
	}
}

func records(t *testing.T, store *pgstore.Store, owner string, from, to time.Time) (got []string) {
	t.Helper()
	for record, err := range store.ReadUsage(t.Context(), owner, from, to) {
		must(t, err)
		got = append(got, string(record))
	}
	return got
}

// TestPages reads lists that need several queries.
func TestPages(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	store := pgstore.NewStore(open(t, url))
	const rows = 2*pgstore.PageRows + 1
	pgtest.Exec(t, url, `INSERT INTO claimcheck.jobs (id, revision, document) SELECT gen_random_uuid(), 'r', '' FROM generate_series(1, $1)`, rows)
	seen := map[job.ID]bool{}
	for id, err := range store.Jobs(t.Context(), time.Time{}, time.Time{}) {
		must(t, err)
		seen[id] = true
	}
	if len(seen) != rows {
		t.Errorf("listed %d jobs, want %d", len(seen), rows)
	}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	must(t, store.RecordUsage(t.Context(), "alice", day, job.NewID(), []byte("first")))
	pgtest.Exec(t, url, `
		INSERT INTO claimcheck.usage (owner_key, day, job_id, record)
		SELECT owner_key, day + n % 3, gen_random_uuid(), 'x' FROM claimcheck.usage, generate_series(1, $1) n`, rows-1)
	for name, all := range map[string]int{
		"one owner": len(records(t, store, "alice", day, day.AddDate(0, 0, 2))),
		"no owner":  rows - len(records(t, store, "bob", day, day.AddDate(0, 0, 2))),
	} {
		if all != rows {
			t.Errorf("%s: read %d records, want %d", name, all, rows)
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	db := open(t, url)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	create := func(age string) *job.Job {
		j := jobtest.NewJob()
		_, err := store.Create(t.Context(), j)
		must(t, err)
		pgtest.Exec(t, url, `UPDATE claimcheck.jobs SET created_at = now() - $2::interval, written_at = now() - $2::interval WHERE id = $1`, string(j.ID), age)
		j.Version = j.Revision
		return j
	}
	old, young, changed := create("8 days"), create("6 days"), create("8 days")
	_, err := store.Swap(t.Context(), jobtest.Claimed(changed, "worker"))
	must(t, err)
	pgtest.Exec(t, url, `INSERT INTO claimcheck.jobs (id, revision, document, created_at, written_at) SELECT gen_random_uuid(), 'r', '', '2020-01-01', '2020-01-01' FROM generate_series(1, 2500)`)
	if n, err := store.SweepJobs(t.Context(), time.Now().AddDate(0, 0, -7)); err != nil || n != 2501 {
		t.Errorf("swept %d jobs, %v; want 2501", n, err)
	}
	_, err = store.Load(t.Context(), old.ID)
	wantKind(t, err, job.NotFound)
	for _, j := range []*job.Job{young, changed} {
		_, err := store.Load(t.Context(), j.ID)
		must(t, err)
	}
	must(t, queue.Send(t.Context(), job.Message{JobID: old.ID}))
	pgtest.Exec(t, url, `INSERT INTO claimcheck.messages (queue, body, sent_at) VALUES ('jobs', 'old', now() - interval '5 days'), ('jobs-dead', 'old', now() - interval '5 days')`)
	if n, err := queue.SweepMessages(t.Context(), time.Now().AddDate(0, 0, -4)); err != nil || n != 1 {
		t.Errorf("swept %d messages, %v; want 1", n, err)
	}
}

// TestEndIsBilled ends jobs. The write that ends a job that was worked on records its usage.
func TestEndIsBilled(t *testing.T) {
	t.Parallel()
	store := pgstore.NewStore(open(t, provisioned(t)))
	end := func(change func(*job.Job)) *job.Job {
		j := jobtest.NewJob()
		_, err := store.Create(t.Context(), j)
		must(t, err)
		j.Version = j.Revision
		change(j)
		_, err = store.Swap(t.Context(), j.Stamp(time.Now()))
		must(t, err)
		return j
	}
	completed := end(func(j *job.Job) {
		j.Attempts = 1
		j.Finish(job.Completed, time.Now())
	})
	end(func(j *job.Job) { j.Finish(job.Failed, time.Now()) }) // before its first attempt
	end(func(j *job.Job) { j.Attempts, j.Deleted = 1, true })  // the deletion bills
	end(func(j *job.Job) {                                     // the worker that still has it bills
		j.Attempts, j.Worker, j.LeaseUntil = 1, "worker", time.Now().Add(time.Minute)
		j.Cancel(time.Now(), "canceled by its owner")
	})
	_, record, err := completed.EncodeUsage()
	must(t, err)
	check := func() {
		t.Helper()
		if got := records(t, store, completed.Owner, time.Now().AddDate(0, 0, -1), time.Now()); !slices.Equal(got, []string{string(record)}) {
			t.Errorf("got the records %q, want %q", got, record)
		}
	}
	check()
	must(t, completed.RecordUsage(t.Context(), store))
	check()
	lost := *completed
	lost.Version = "another"
	lost.Finish(job.Failed, time.Now().AddDate(0, 0, -1))
	_, err = store.Swap(t.Context(), lost.Stamp(time.Now()))
	wantKind(t, err, job.Conflict)
	check()
}
