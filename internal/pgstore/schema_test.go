package pgstore_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// wantKind fails the test unless err is of kind k and its text has all of the words.
func wantKind(tb testing.TB, err error, k job.Kind, words ...string) {
	tb.Helper()
	if err == nil || job.KindOf(err) != k {
		tb.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), k)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantVersion fails the test unless the schema has this version.
func wantVersion(tb testing.TB, url string, want int) {
	tb.Helper()
	if got, err := pgstore.Version(tb.Context(), url); err != nil || got != want {
		tb.Errorf("the schema has version %d, %v; want %d", got, err, want)
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	wantVersion(t, url, 0)
	for _, want := range [][2]int{{0, pgstore.SchemaVersion}, {pgstore.SchemaVersion, pgstore.SchemaVersion}} {
		before, after, err := pgstore.Provision(t.Context(), url)
		if err != nil || before != want[0] || after != want[1] {
			t.Errorf("Provision went from version %d to %d, %v; want %v", before, after, err, want)
		}
	}
	wantVersion(t, url, pgstore.SchemaVersion)
}

func TestProvisionManyAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, _, err := pgstore.Provision(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantVersion(t, url, pgstore.SchemaVersion)
}

// TestUpgradeUnderWay adds to the schema while clients of this release work.
func TestUpgradeUnderWay(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	db := open(t, url)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	started := make(chan struct{}, 4)
	for range cap(started) {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				err := life(t.Context(), store, queue)
				if n == 0 {
					started <- struct{}{}
				}
				if err != nil {
					t.Errorf("life %d: %v", n, err)
					return
				}
			}
		})
	}
	for range cap(started) {
		<-started
	}
	err := pgstore.ProvisionMore(t.Context(), url,
		`ALTER TABLE claimcheck.jobs ADD COLUMN priority integer NOT NULL DEFAULT 0; CREATE INDEX ON claimcheck.jobs (priority)`,
		`ALTER TABLE claimcheck.messages ADD COLUMN note text; CREATE TABLE claimcheck.more (id uuid PRIMARY KEY)`)
	stop()
	group.Wait()
	must(t, err)
	wantVersion(t, url, pgstore.SchemaVersion+2)
	must(t, life(t.Context(), store, queue))
	must(t, store.Ready(t.Context()))
	// Provision of this release leaves the newer schema as it is.
	_, _, err = pgstore.Provision(t.Context(), url)
	must(t, err)
	wantVersion(t, url, pgstore.SchemaVersion+2)
}

// life does to a database what one job does.
func life(ctx context.Context, store *pgstore.Store, queue *pgstore.Queue) error {
	j := jobtest.NewJob()
	version, err := store.Create(ctx, j)
	if err != nil {
		return err
	}
	j.Version = version
	if err := queue.Send(ctx, job.Message{JobID: j.ID}); err != nil {
		return err
	}
	if _, err := store.Swap(ctx, jobtest.Claimed(j, "worker")); err != nil {
		return err
	}
	if err := store.RecordUsage(ctx, j.Owner, j.CreatedAt, j.ID, []byte("{}")); err != nil {
		return err
	}
	_, err = store.Load(ctx, j.ID)
	return err
}

// TestUpgradeFromTheLastRelease works on the schema of the release before, and upgrades it with
// jobs and messages in it.
func TestUpgradeFromTheLastRelease(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	must(t, pgstore.ProvisionOnly(t.Context(), url, 3))
	db := open(t, url)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	must(t, store.Ready(t.Context()))
	must(t, life(t.Context(), store, queue))
	before, after, err := pgstore.Provision(t.Context(), url)
	if err != nil || before != 3 || after != pgstore.SchemaVersion {
		t.Fatalf("Provision went from version %d to %d, %v", before, after, err)
	}
	must(t, life(t.Context(), store, queue))
	if n, err := queue.SweepMessages(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 2 {
		t.Errorf("swept %d messages, %v; want 2", n, err)
	}
}

// TestSweepReadsOldMessagesAlone asks the planner how it finds the messages of a sweep among
// many.
func TestSweepReadsOldMessagesAlone(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	pgtest.Exec(t, url, `INSERT INTO claimcheck.messages (queue, body) SELECT 'jobs', 'x' FROM generate_series(1, 5000); ANALYZE claimcheck.messages`)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `EXPLAIN SELECT id FROM claimcheck.messages WHERE sent_at < now() - interval '4 days' AND queue = 'jobs' LIMIT 1000`)
	must(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if !strings.Contains(strings.Join(plan, "\n"), "messages_sent_at") {
		t.Errorf("the sweep reads %q", plan)
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	err := pgstore.ProvisionMore(t.Context(), url, `CREATE TABLE claimcheck.half (id uuid); SELECT 1/0`)
	if want := fmt.Sprintf("version %d of the schema", pgstore.SchemaVersion+1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that names %s", err, want)
	}
	wantVersion(t, url, 0)
}

// TestRoleWithoutDDL serves jobs as a role that may not create anything.
func TestRoleWithoutDDL(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	role := "app_" + strings.TrimPrefix(nameOf(t, url), "test")
	pgtest.Exec(t, url, `CREATE ROLE `+role+` LOGIN`)
	t.Cleanup(func() { pgtest.Exec(t, url, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	db := open(t, pgtest.As(t, url, role))
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	wantKind(t, store.Ready(t.Context()), job.Misconfigured, "--grant")
	_, err := store.Load(t.Context(), job.NewID())
	wantKind(t, err, job.Misconfigured, "--grant")

	granted := func(want bool) {
		t.Helper()
		if got, err := pgstore.Granted(t.Context(), url, role); err != nil || got != want {
			t.Errorf("the role has its rights: %v, %v; want %v", got, err, want)
		}
	}
	granted(false)
	_, _, err = pgstore.Provision(t.Context(), url, role)
	must(t, err)
	granted(true)
	must(t, store.Ready(t.Context()))
	must(t, queue.Ready(t.Context()))
	must(t, life(t.Context(), store, queue))
	ds, err := queue.Receive(t.Context(), 1, hidden)
	if err != nil || len(ds) != 1 {
		t.Fatalf("received %v, %v", ds, err)
	}
	must(t, queue.Extend(t.Context(), ds[0].Receipt, hidden))
	must(t, queue.Delete(t.Context(), ds[0].Receipt))
	_, err = store.SweepJobs(t.Context(), ds[0].SentAt)
	must(t, err)
	_, err = queue.SweepMessages(t.Context(), ds[0].SentAt)
	must(t, err)
	if _, _, err := pgstore.Provision(t.Context(), pgtest.As(t, url, role)); err != nil {
		t.Errorf("a Provision that has nothing to do: %v", err)
	}
	if err := pgstore.ProvisionMore(t.Context(), pgtest.As(t, url, role), `CREATE TABLE claimcheck.x ()`); err == nil {
		t.Error("the role has the right to create tables")
	}
}

func nameOf(tb testing.TB, raw string) string {
	tb.Helper()
	u, err := url.Parse(raw)
	must(tb, err)
	return strings.TrimPrefix(u.Path, "/")
}

func TestWithoutSchema(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t))
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	wantKind(t, store.Ready(t.Context()), job.Misconfigured, "run claimcheck provision")
	_, err := store.Create(t.Context(), jobtest.NewJob())
	wantKind(t, err, job.Misconfigured, "run claimcheck provision")
	wantKind(t, queue.Send(t.Context(), job.Message{JobID: job.NewID()}), job.Misconfigured, "run claimcheck provision")
}

func TestOldSchema(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	pgtest.Exec(t, url, `DELETE FROM claimcheck.schema_version WHERE version > 1`)
	wantKind(t, pgstore.NewStore(open(t, url)).Ready(t.Context()), job.Misconfigured, "version 1", "run claimcheck provision")
}

func TestNoSuchDatabase(t *testing.T) {
	t.Parallel()
	url := strings.Replace(pgtest.Start(t), "/test", "/none", 1)
	wantKind(t, pgstore.NewStore(open(t, url)).Ready(t.Context()), job.Misconfigured, "createdb")
}

func TestPasswordIsNotShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:s3cret@h:notaport/d", "postgres://u:s3cret@h/d?sslmode=nonsense", "host=h password=s3cret sslmode=nonsense"} {
		if _, err := pgstore.Open(url, pgstore.Options{}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
	db := open(t, "postgres://u:s3cret@127.0.0.1:1/d?connect_timeout=1")
	if err := pgstore.NewStore(db).Ready(t.Context()); job.KindOf(err) != job.Unavailable || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want Unavailable without the password", err)
	}
}
