// Command chaos runs the whole service as processes, lets clients submit and cancel jobs by
// the thousand, takes their webhooks, kills -9 and restarts each process at random, cuts and slows the network to
// S3 and SQS, and then proves from the outside that nothing was lost and nothing was
// done twice:
//
//	go run ./internal/test/chaos -for 10m
//	go run ./internal/test/chaos -for 10m -database
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"claimcheck.example/internal/test/process"
)

func main() {
	process.RunBackend()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy traces to standard error
	var o options
	flag.DurationVar(&o.duration, "for", time.Minute, "how long the chaos lasts")
	flag.IntVar(&o.clients, "clients", 4, "how many clients submit at once")
	flag.IntVar(&o.workers, "workers", 2, "how many workers run")
	flag.DurationVar(&o.killEvery, "kill", 4*time.Second, "how often, on average, a process is killed; 0 kills none")
	flag.DurationVar(&o.faultEvery, "fault", 3*time.Second, "how often, on average, the network fails; 0 never")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of what is killed and cut, and when")
	flag.BoolVar(&o.database, "database", false, "PostgreSQL and a folder in place of S3 and SQS; the database is killed as well, and no network fails")
	flag.BoolVar(&o.webhooks, "webhooks", true, "half of the jobs have a webhook, which a try that is cut off delays by a minute")
	flag.StringVar(&o.beside, "beside", "", "the folder of another release, whose server and worker take turns with this source's")
	flag.StringVar(&o.root, "root", ".", "the module's folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	duration, killEvery, faultEvery time.Duration
	clients, workers                int
	seed                            uint64
	root, beside                    string
	database, webhooks              bool
}

// run makes the faults, then waits for the end of all jobs and audits. The error names the
// losses.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "claimcheck-chaos-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newHarness(ctx, o, dir)
	if err != nil {
		return err
	}
	defer s.clear()
	fmt.Fprintf(out, "chaos for %s, seed %d\n", o.duration, o.seed)
	c := newClients(s.url)
	if o.webhooks {
		c.hook, s.receiver.status = s.receiver.server.URL, c.over
	}
	s.torment(ctx, c, o)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	report, err := audit(ctx, s, c)
	if err != nil {
		return err
	}
	return report.print(out, s, c)
}
