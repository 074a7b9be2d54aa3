// Package pgtest runs PostgreSQL for tests: the real server, as Debian installs it.
//
// [Start] shares one server among the tests of a process, and gives each a database of
// its own. [StartServer] gives a test a server that it may kill and start again. A server
// lives in a folder of its own and listens on a socket there, on no port. It ends, and its
// folder goes, when the test process ends, however that happens.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/test/program"
)

var shared struct {
	once    sync.Once
	server  *server
	err     error
	numbers atomic.Int64

	mu    sync.Mutex // guards empty
	empty []string   // names of databases that a test has left behind empty
}

// Start returns the URL of an empty database. It skips the test where there is no
// PostgreSQL, unless CI=true is in the environment: then it fails the test.
func Start(tb testing.TB) string {
	tb.Helper()
	find(tb)
	shared.once.Do(func() { shared.server, shared.err = start("off") })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server.lend(tb)
}

// lend is database with one that another test has left behind empty, if there is one: it
// takes a tenth of the time of a new one.
func (s *server) lend(tb testing.TB) string {
	tb.Helper()
	name := ""
	shared.mu.Lock()
	if n := len(shared.empty); n > 0 {
		name, shared.empty = shared.empty[n-1], shared.empty[:n-1]
	}
	shared.mu.Unlock()
	if name == "" {
		name = fmt.Sprintf("test%d", shared.numbers.Add(1))
		Exec(tb, s.url(superuser, "postgres"), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if clean, err := s.clean(ctx, name); err != nil {
			tb.Error(err)
		} else if !clean {
			s.drop(ctx, tb, name)
		} else {
			shared.mu.Lock()
			defer shared.mu.Unlock()
			shared.empty = append(shared.empty, name)
		}
	})
	return s.url(superuser, name)
}

// clean ends the other connections of a database, removes the service's schema, and reports
// whether the database is as new then.
func (s *server) clean(ctx context.Context, name string) (clean bool, err error) {
	conn, err := pgx.Connect(ctx, s.url(superuser, name))
	if err != nil {
		return false, nil // the test has renamed it, or lets it take no connections
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
		`DROP SCHEMA IF EXISTS claimcheck CASCADE`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return false, err
		}
	}
	err = conn.QueryRow(ctx, `SELECT
		NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' OR c.oid >= 16384)
		AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384)
		AND NOT EXISTS (SELECT FROM pg_default_acl)
		AND (SELECT datacl IS NULL AND datconnlimit = -1 AND oid NOT IN (SELECT setdatabase FROM pg_db_role_setting)
			FROM pg_database WHERE datname = current_database())`).Scan(&clean)
	return clean, err
}

// Server is a server of one test.
type Server struct {
	*server
	// URL names a database of it.
	URL string
}

// StartServer is Start with a server of the test's own.
func StartServer(tb testing.TB) *Server {
	tb.Helper()
	find(tb)
	s, err := start("off")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.stop)
	return &Server{s, s.database(tb, "test")}
}

// Kill ends the server with SIGKILL, and all connections with it.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if err := s.tell("kill"); err != nil {
		tb.Fatal(err)
	}
}

// Restart starts a server that was killed, and waits until it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.tell("start"); err != nil {
		tb.Fatal(err)
	}
	if err := s.wait(); err != nil {
		tb.Fatal(err)
	}
}

// find skips or fails the test unless PostgreSQL is installed.
func find(tb testing.TB) {
	tb.Helper()
	if _, err := programs(); err != nil {
		program.Lacks(tb, "%v; .ci/debian postgresql installs it", err)
	}
}

// programs returns the folder of the newest PostgreSQL server.
var programs = sync.OnceValues(func() (string, error) {
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("no PostgreSQL server in /usr/lib/postgresql")
	}
	newest, version := "", 0
	for _, path := range all {
		var n int
		if _, err := fmt.Sscanf(path, "/usr/lib/postgresql/%d/", &n); err == nil && n > version {
			newest, version = filepath.Dir(path), n
		}
	}
	return newest, nil
})

// Programs returns the folder of PostgreSQL's programs, such as pg_dump. It skips or fails
// the test like Start.
func Programs(tb testing.TB) string {
	tb.Helper()
	find(tb)
	dir, _ := programs()
	return dir
}

// superuser is the role that owns everything in a server.
const superuser = "postgres"

// url returns the URL of a database as a role.
func (s *server) url(role, database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "user": {role}}.Encode()}
	return u.String()
}

// As returns the URL of a test's database for another role.
func As(tb testing.TB, databaseURL, role string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("user", role)
	u.RawQuery = q.Encode()
	return u.String()
}

// database makes a database that goes with the test.
func (s *server) database(tb testing.TB, name string) string {
	tb.Helper()
	Exec(tb, s.url(superuser, "postgres"), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.drop(ctx, tb, name)
	})
	return s.url(superuser, name)
}

func (s *server) drop(ctx context.Context, tb testing.TB, name string) {
	tb.Helper()
	conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
	if err != nil {
		return // the test has killed it
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		tb.Error(err)
	}
}

// patience bounds what a busy machine may take.
const patience = time.Minute

// Exec runs statements in a database.
func Exec(tb testing.TB, databaseURL, sql string, args ...any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		tb.Fatal(err)
	}
}
