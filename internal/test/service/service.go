// Package service starts the service's commands as processes in tests: servers and
// workers over the bucket and queue of [awstest], and `claimcheck local`.
package service

import (
	"context"
	"fmt"
	"testing"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

// Limit is the time that a test waits for something quick, generous enough for a busy
// machine.
const Limit = 2 * time.Minute

// Service is a running server or worker.
type Service struct {
	*process.Process
	// URL is the server's, without a final slash.
	URL string
}

// Commands returns the commands of cmd, built.
func Commands(tb testing.TB) *process.Binaries {
	tb.Helper()
	f, err := process.Source{Root: awstest.Module(".")}.Build(context.WithoutCancel(tb.Context()), nil, "server", "worker", "function", "claimcheck")
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// Launch starts a command of cmd by its name, with settings beside those of env. The end
// of the test kills it.
func Launch(tb testing.TB, env *awstest.Env, name string, vars ...string) Service {
	tb.Helper()
	return LaunchFrom(tb, Commands(tb), env, name, vars...)
}

// LaunchFrom is Launch from another build.
func LaunchFrom(tb testing.TB, f *process.Binaries, env *awstest.Env, name string, vars ...string) Service {
	tb.Helper()
	program.NeedProcessor(tb, vars)
	port, err := process.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	vars = append(env.Servers.Env(env.Bucket, env.QueueURL), append([]string{
		fmt.Sprint("PORT=", port), "ALLOW_ANONYMOUS=true", "FUNCTION_TARGET=Claimcheck", "HOST=127.0.0.1", "LEASE=10s", "IMAGING=embedded", // whatever is installed
	}, vars...)...)
	p, err := f.Start(name, vars)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	return Service{p, fmt.Sprint("http://127.0.0.1:", port)}
}

// Open launches a command and, of a server, waits until it is ready.
func Open(tb testing.TB, env *awstest.Env, name string, vars ...string) Service {
	tb.Helper()
	s := Launch(tb, env, name, vars...)
	if name != "worker" {
		s.AwaitReady(tb)
	}
	return s
}

// AwaitReady waits until the server is ready.
func (s Service) AwaitReady(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Limit)
	defer cancel()
	if err := s.Await(ctx, s.URL+"/ready"); err != nil {
		tb.Fatal(err)
	}
}
