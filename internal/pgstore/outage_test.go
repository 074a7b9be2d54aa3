package pgstore_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// TestKillDatabase kills the server under writers and receivers and starts it again. All
// that comes out meanwhile is Unavailable; afterwards the same clients go on, and every
// write that was acknowledged is there.
func TestKillDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.StartServer(t)
	_, _, err := pgstore.Provision(t.Context(), server.URL)
	must(t, err)
	db := open(t, server.URL)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{Wait: time.Second})

	var mu sync.Mutex // guards what follows
	written, received := map[job.ID]string{}, map[job.ID]bool{}
	var failed, succeeded atomic.Int64 // since the last change of the server's state
	var stop atomic.Bool
	var group sync.WaitGroup
	check := func(err error) bool {
		if err == nil {
			succeeded.Add(1)
			return true
		}
		failed.Add(1)
		if job.KindOf(err) != job.Unavailable {
			t.Errorf("got error %v of kind %v, want Unavailable", err, job.KindOf(err))
			stop.Store(true)
		}
		return false
	}
	for range 4 {
		group.Go(func() {
			for !stop.Load() {
				j := jobtest.NewJob()
				version, err := store.Create(t.Context(), j)
				if !check(err) {
					continue
				}
				j.Version = version
				next := jobtest.Claimed(j, "worker")
				version, err = store.Swap(t.Context(), next)
				if !check(err) || !check(queue.Send(t.Context(), job.Message{JobID: j.ID})) {
					continue
				}
				mu.Lock()
				written[j.ID] = version
				mu.Unlock()
			}
		})
	}
	receive := func() {
		ds, err := queue.Receive(t.Context(), 10, 5*time.Second)
		check(err)
		for _, d := range ds {
			mu.Lock()
			received[d.JobID] = true
			mu.Unlock()
			check(queue.Delete(t.Context(), d.Receipt))
		}
	}
	group.Go(func() {
		for !stop.Load() {
			receive()
		}
	})
	until := func(n *atomic.Int64, least int64) {
		for n.Load() < least && !stop.Load() && t.Context().Err() == nil {
			<-time.After(time.Millisecond)
		}
	}
	for range 3 {
		failed.Store(0)
		succeeded.Store(0)
		until(&succeeded, 100)
		server.Kill(t)
		until(&failed, 5)
		server.Restart(t)
	}
	succeeded.Store(0)
	until(&succeeded, 200)
	stop.Store(true)
	group.Wait()

	for id, version := range written {
		if j, err := store.Load(t.Context(), id); err != nil || j.Version != version {
			t.Errorf("job %s was written at revision %s, and is %+v, %v", id, version, j, err)
		}
	}
	missing := func() (n int) {
		for id := range written {
			if !received[id] {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(time.Minute); missing() > 0 && time.Now().Before(end); {
		receive()
	}
	if n := missing(); n > 0 {
		t.Errorf("%d of %d messages never came", n, len(written))
	}
}

// TestRefusedConnections is a server that is not there.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres:///d?host="+url.QueryEscape(t.TempDir()))
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	_, err := store.Load(t.Context(), job.NewID())
	wantKind(t, err, job.Unavailable)
	wantKind(t, store.Ready(t.Context()), job.Unavailable)
	_, err = queue.Receive(t.Context(), 1, hidden)
	wantKind(t, err, job.Unavailable)
}

// TestLostAnswers cuts connections after the server has done what was asked, and before
// its answer arrives.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	direct := provisioned(t)
	p := cutter(t, direct)
	db := open(t, p.url)
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{Wait: time.Second})
	j := jobtest.NewJob()
	lose := func(what string, call func() error) {
		t.Helper()
		must(t, store.Ready(t.Context())) // there is a connection
		p.armed.Store(true)
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if p.armed.Swap(false) {
			t.Errorf("%s: no answer was lost", what)
		}
	}
	lose("Create", func() (err error) { j.Version, err = store.Create(t.Context(), j); return err })
	next := jobtest.Claimed(j, "worker")
	lose("Swap", func() (err error) { next.Version, err = store.Swap(t.Context(), next); return err })
	lose("Load", func() error {
		got, err := store.Load(t.Context(), j.ID)
		if err == nil && (got.Revision != next.Revision || got.Version != next.Version) {
			err = errors.New("another revision")
		}
		return err
	})
	lose("RecordUsage", func() error {
		return store.RecordUsage(t.Context(), j.Owner, j.CreatedAt, j.ID, []byte("{}"))
	})
	lose("Send", func() error { return queue.Send(t.Context(), job.Message{JobID: j.ID}) })
	var ds []job.Delivery
	lose("Receive", func() (err error) { ds, err = queue.Receive(t.Context(), 1, time.Second); return err })
	for len(ds) == 0 { // the delivery whose answer was lost comes again
		var err error
		ds, err = queue.Receive(t.Context(), 1, hidden)
		must(t, err)
	}
	lose("Extend", func() error { return queue.Extend(t.Context(), ds[0].Receipt, hidden) })
	lose("Delete", func() error { return queue.Delete(t.Context(), ds[0].Receipt) })
	lose("Erase", func() error { return store.Erase(t.Context(), j.ID, next.Version) })
	_, err := store.Load(t.Context(), j.ID)
	wantKind(t, err, job.NotFound)
}

// proxy passes connections on to a server.
type proxy struct {
	url   string
	armed atomic.Bool // cut the next answer
}

// cutter returns a proxy of the database.
func cutter(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	must(t, err)
	q := u.Query()
	upstream := filepath.Join(q.Get("host"), ".s.PGSQL.5432")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		group.Wait()
	})
	host, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	q.Set("host", host)
	q.Set("port", port)
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	p := &proxy{url: u.String()}
	group.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", upstream)
			if err != nil {
				client.Close()
				continue
			}
			group.Go(func() {
				_, _ = io.Copy(server, client)
				server.Close()
			})
			group.Go(func() {
				defer client.Close()
				defer server.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := server.Read(buffer)
					if err != nil || p.armed.Load() && answers(buffer[:n]) && p.armed.CompareAndSwap(true, false) {
						return
					}
					if _, err := client.Write(buffer[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	return p
}

// answers reports whether the bytes hold the end of a statement that was executed: a
// CommandComplete, or the first row of its result. The answers to Parse and Describe pass.
func answers(b []byte) bool {
	for len(b) >= 5 {
		length := 1 + int(b[1])<<24 + int(b[2])<<16 + int(b[3])<<8 + int(b[4])
		if b[0] == 'C' || b[0] == 'D' {
			return true
		}
		if length > len(b) {
			return false
		}
		b = b[length:]
	}
	return false
}

// TestBoundedPool asks for more at once than there are connections.
func TestBoundedPool(t *testing.T) {
	t.Parallel()
	dsn := provisioned(t)
	db, err := pgstore.Open(dsn, pgstore.Options{MaxConns: 2})
	must(t, err)
	t.Cleanup(db.Close)
	store := pgstore.NewStore(db)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := store.Create(t.Context(), jobtest.NewJob()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(t.Context())
	var n int
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n))
	if n == 0 || n > 2 {
		t.Errorf("the pool has %d connections, want 1 or 2", n)
	}
}
