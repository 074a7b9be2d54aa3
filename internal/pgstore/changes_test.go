package pgstore_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
)

// awaits waits until Live of a follower is want.
func awaits(t *testing.T, f job.Follower, want bool) {
	t.Helper()
	for f.Live() != want {
		select {
		case <-f.Changed():
		case <-time.After(time.Minute):
			t.Fatalf("Live stays %v", !want)
		}
	}
	select {
	case <-f.Changed():
	default:
	}
}

// TestChangesOfAnotherProcess listens while a receiver of the same process listens already,
// on one connection, and follows what another process writes. It loses the connection.
func TestChangesOfAnotherProcess(t *testing.T) {
	t.Parallel()
	url := provisioned(t)
	db, other := open(t, url), open(t, url)
	waiting(t, db, pgstore.NewQueue(db, pgstore.QueueOptions{}))
	j := jobtest.NewJob()
	writer := pgstore.NewStore(other)
	version, err := writer.Create(t.Context(), j)
	must(t, err)
	j.Version = version
	f := pgstore.NewStore(db).Follow(j.ID)
	defer f.Close()
	swap := func() {
		t.Helper()
		next := jobtest.Claimed(j, "worker")
		next.Version, err = writer.Swap(t.Context(), next)
		must(t, err)
		j = next
		select {
		case <-f.Changed():
		case <-time.After(time.Minute):
			t.Fatal("no change is reported")
		}
	}
	awaits(t, f, true)
	swap()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	var n int
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&n))
	if n > 1 {
		t.Errorf("%d connections listen, want 1", n)
	}
	_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	must(t, err)
	select { // the follower learns that it has to poll
	case <-f.Changed():
	case <-time.After(time.Minute):
		t.Fatal("the loss of the connection is not reported")
	}
	awaits(t, f, true)
	swap()
}

// TestChangesWithLostAnswers writes in a way that the first attempt takes effect and the second
// changes no row.
func TestChangesWithLostAnswers(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*testing.T, *pgstore.Store, *job.Job) error{
		"swap": func(t *testing.T, s *pgstore.Store, j *job.Job) error {
			_, err := s.Swap(t.Context(), jobtest.Claimed(j, "worker"))
			return err
		},
		"erase": func(t *testing.T, s *pgstore.Store, j *job.Job) error {
			return s.Erase(t.Context(), j.ID, j.Version)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := provisioned(t)
			reader := pgstore.NewStore(open(t, direct))
			j := jobtest.NewJob()
			version, err := reader.Create(t.Context(), j)
			must(t, err)
			j.Version = version
			f := reader.Follow(j.ID)
			defer f.Close()
			awaits(t, f, true)
			p := cutter(t, direct)
			writer := pgstore.NewStore(open(t, p.url))
			must(t, writer.Ready(t.Context())) // there is a connection
			p.armed.Store(true)
			must(t, write(t, writer, j))
			if p.armed.Load() {
				t.Fatal("no answer was lost")
			}
			select {
			case <-f.Changed():
			case <-time.After(time.Minute):
				t.Fatal("no change is reported")
			}
		})
	}
}
