package service

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

// Home is a database and a folder instead of S3 and SQS. Its fields are settings of
// server and worker.
type Home struct {
	Database, Objects string
}

// NewHome returns an empty database and the URL of a folder that does not exist.
func NewHome(tb testing.TB) Home {
	tb.Helper()
	folder := url.URL{Scheme: "file", Path: filepath.Join(tb.TempDir(), "images")}
	return Home{pgtest.Start(tb), folder.String()}
}

// Env are the settings as variables.
func (h Home) Env() []string {
	return []string{"DATABASE_URL=" + h.Database, "OBJECTS=" + h.Objects}
}

// Provision runs `claimcheck provision`, and returns what it prints.
func (h Home) Provision(tb testing.TB) string {
	tb.Helper()
	p, err := Commands(tb).Start("claimcheck", h.Env(), "provision")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	if err := p.Wait(); err != nil {
		tb.Fatalf("claimcheck provision: %v: %s", err, p.Output())
	}
	return p.Output()
}

// Launch starts a server or worker. The end of the test kills it.
func (h Home) Launch(tb testing.TB, name string, vars ...string) Service {
	tb.Helper()
	program.NeedProcessor(tb, vars)
	port, err := process.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	vars = append(h.Env(), append([]string{fmt.Sprint("PORT=", port), "ALLOW_ANONYMOUS=true", "HOST=127.0.0.1", "LEASE=10s"}, vars...)...)
	p, err := Commands(tb).Start(name, vars)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	s := Service{p, fmt.Sprint("http://127.0.0.1:", port)}
	if name != "worker" {
		s.AwaitReady(tb)
	}
	return s
}
