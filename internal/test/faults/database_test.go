package faults

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/program"
)

// startOnDatabase is start on a database and a folder: the way to the database can be broken.
func startOnDatabase(t *testing.T) *system {
	t.Helper()
	program.Need(t, "cat")
	database, folder := pgtest.Start(t), t.TempDir()
	if _, _, err := pgstore.Provision(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if _, err := dirstore.Provision(folder); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	p := proxies(t)("postgresql", overTCP(t, filepath.Join(q.Get("host"), ".s.PGSQL.5432")))
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil {
		t.Fatal(err)
	}
	q.Set("host", host)
	q.Set("port", port)
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	c, err := config.Load(config.Server, append(settings(), "DATABASE_URL="+u.String(), "OBJECTS=file://"+folder))
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, c, aws.Config{}, ways{"PostgreSQL": p})
}

// overTCP serves a Unix socket on a port of loopback, for a proxy that knows TCP alone.
func overTCP(t *testing.T, socket string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil {
				client.Close()
				continue
			}
			for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
				running.Go(func() {
					_, _ = io.Copy(to, from)
					to.Close()
					from.Close()
				})
			}
		}
	})
	return l.Addr().String()
}
