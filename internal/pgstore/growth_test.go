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

// grown is how many rows of others the tables have. With as many the planner reads no table
// as a whole that it need not.
const grown = 20_000

// TestNoTableIsReadAsAWhole does in large tables what one job needs, and what a sweep and a
// bill do.
func TestNoTableIsReadAsAWhole(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	for _, sql := range []string{
		`INSERT INTO claimcheck.jobs (id, revision, document) SELECT gen_random_uuid(), 'r', convert_to(repeat(md5(n::text), 20), 'UTF8') FROM generate_series(1, $1) n`,
		`INSERT INTO claimcheck.usage (owner_key, day, job_id, record) SELECT sha256((n % 100)::text::bytea), current_date - n % 30, gen_random_uuid(), '{}' FROM generate_series(1, $1) n`,
		`INSERT INTO claimcheck.messages (queue, body, visible_at) SELECT 'jobs', '{"job_id":"' || gen_random_uuid() || '"}', now() + n * interval '1 hour' FROM generate_series(1, $1) n`,
	} {
		pgtest.Exec(t, url, sql, grown)
	}
	pgtest.Exec(t, url, `ANALYZE`)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	before := scans(t, conn)
	db, err := pgstore.Open(url, pgstore.Options{})
	must(t, err)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{Wait: time.Millisecond, Documents: true})
	j := jobtest.NewJob()
	_, err = store.Create(t.Context(), j)
	must(t, err)
	j = jobtest.NewJob()
	_, err = pgstore.NewOutbox(store, queue).CreateAndSend(t.Context(), j, job.Message{JobID: j.ID})
	must(t, err)
	ds, err := queue.Receive(t.Context(), 10, hidden)
	if err != nil || len(ds) != 1 || ds[0].Job == nil {
		t.Fatalf("got %+v, %v; want one message with its document", ds, err)
	}
	must(t, queue.Extend(t.Context(), ds[0].Receipt, hidden))
	j = ds[0].Job
	j.Attempts = 1
	j.Finish(job.Completed, time.Now())
	_, err = store.Swap(t.Context(), j.Stamp(time.Now()))
	must(t, err)
	must(t, j.RecordUsage(t.Context(), store))
	_, err = store.SumUsage(t.Context(), j.Owner, time.Now().AddDate(0, 0, -7), time.Now())
	must(t, err)
	must(t, queue.Delete(t.Context(), ds[0].Receipt))
	if ds, err := queue.Receive(t.Context(), 10, hidden); err != nil || len(ds) != 0 {
		t.Fatalf("got %+v, %v; want no message", ds, err)
	}
	for range store.ReadUsage(t.Context(), j.Owner, time.Now().AddDate(0, 0, -7), time.Now()) {
		break
	}
	for range store.ReadUsageOfAll(t.Context(), time.Now().AddDate(0, 0, -30), time.Now()) {
		break
	}
	for range store.Jobs(t.Context(), time.Time{}, time.Time{}) {
		break
	}
	_, err = store.SweepJobs(t.Context(), time.Now().AddDate(0, 0, -7))
	must(t, err)
	must(t, store.Erase(t.Context(), j.ID, ""))
	db.Close() // the server now counts what these connections have done
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	after := scans(t, conn)
	for ; after["jobs"].byIndex-before["jobs"].byIndex < 7; after = scans(t, conn) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("the server counts %+v, and %+v before", after, before)
		}
	}
	for table, n := range after {
		if n.whole != before[table].whole {
			t.Errorf("table %s was read as a whole %d times", table, n.whole-before[table].whole)
		}
	}
}

// scanned is how often a table was read as a whole, and by an index.
type scanned struct{ whole, byIndex int64 }

func scans(t *testing.T, conn *pgx.Conn) map[string]scanned {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT relname, coalesce(seq_scan, 0), coalesce(idx_scan, 0) FROM pg_stat_user_tables
		WHERE relname IN ('jobs', 'usage', 'messages')`)
	must(t, err)
	defer rows.Close()
	all := map[string]scanned{}
	for rows.Next() {
		var table string
		var n scanned
		must(t, rows.Scan(&table, &n.whole, &n.byIndex))
		all[table] = n
	}
	must(t, rows.Err())
	return all
}
