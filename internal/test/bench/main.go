// Command bench compares the service with the least that a program can do with the same SDK
// against the same backend, and prints one Markdown table:
//
//	go run ./internal/test/bench
//
// Rows that begin with "PostgreSQL" compare the server over PostgreSQL, with a folder or a
// bucket for images, with the server over S3 and SQS; they need an installed PostgreSQL.
//
// It starts S3 and SQS on loopback, cmd/server, and the floor as processes, sends requests to
// both alternately over persistent connections, and compares the ratios with the goals that
// docs/performance.md explains.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"claimcheck.example/internal/test/process"
)

func main() {
	process.RunBackend()
	var o options
	var only string
	flag.DurationVar(&o.round, "for", 2*time.Second, "how long one round lasts")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds each program has in each row")
	flag.BoolVar(&o.short, "short", false, "short and few rounds: all within a minute")
	flag.StringVar(&only, "only", "", "a regular expression: which rows")
	flag.BoolVar(&o.json, "json", false, "print JSON in place of the table")
	flag.StringVar(&o.profiles, "profile", "", "a folder for CPU and allocation profiles of each row")
	flag.StringVar(&o.plots, "plot", "", "a folder for growth.svg; measures growth, too, which takes many minutes")
	flag.IntVar(&o.jobs, "jobs", 200, "how many jobs 1× is in the growth")
	flag.IntVar(&o.grown, "rows", 0, "measures PostgreSQL with tables of up to so many rows, too, such as 1000000")
	flag.IntVar(&o.listed, "listed", 0, "measures pages of the list with up to so many jobs of the caller and of others, too, such as 20000")
	flag.StringVar(&o.root, "root", ".", "the module's folder")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		fmt.Fprintln(os.Stderr, "bench: -only:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	round           time.Duration
	rounds, jobs    int
	grown, listed   int
	short, json     bool
	only            *regexp.Regexp
	profiles, plots string
	root            string
	volatile        bool // the database does not wait for the disk; figures mean nothing then
}

// run measures, reports to progress, and prints the rows to out.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	if o.short {
		o.round, o.rounds = min(o.round, 300*time.Millisecond), min(o.rounds, 3)
	}
	for _, dir := range []string{o.profiles, o.plots} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
		}
	}
	dir, err := os.MkdirTemp("", "claimcheck-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(progress, "building server, worker and floor")
	s, err := newHarness(ctx, o.root, dir, !o.volatile)
	if err != nil {
		return err
	}
	defer s.close()
	b := &bench{options: o, harness: s, progress: progress}
	if err := b.measure(ctx); err != nil {
		return err
	}
	if o.json {
		return writeJSON(out, b.rows)
	}
	markdown(out, b.rows)
	return nil
}

// bench is one run.
type bench struct {
	options
	harness  *harness
	progress io.Writer
	rows     []row
}

// A short and a long image.
const (
	small = 20_000
	large = 2_000_000
)

// Goals, as docs/performance.md explains them.
var (
	submitGoals = []goal{{Figure: perSecond, Ratio: true, Bound: 0.9, AtLeast: true}, {Figure: p99, Ratio: true, Bound: 1.3}}
	smallGoals  = append([]goal{{Figure: cpu, Ratio: true, Bound: 1.15}}, submitGoals...)
	largeGoals  = append([]goal{{Figure: cpu, Ratio: true, Bound: 1.0}}, submitGoals...)
	statusGoals = append([]goal{{Figure: cpu, Ratio: true, Bound: 1.3}}, submitGoals...)
	outputGoals = append([]goal{{Figure: cpu, Ratio: true, Bound: 1.15}}, submitGoals...)
)

// measure measures all requested rows.
func (b *bench) measure(ctx context.Context) error {
	short, err := picture(small)
	if err != nil {
		return err
	}
	long, err := picture(large)
	if err != nil {
		return err
	}
	submit := func(image []byte) load { return load{method: "POST", path: "/jobs", body: image, want: 202} }
	type step struct {
		name string
		run  func(ctx context.Context, name string) error
	}
	var steps []step
	for _, images := range []struct {
		name  string
		bytes []byte
		goals []goal
	}{{"20 KB", short, smallGoals}, {"2 MB", long, largeGoals}} {
		for _, n := range []int{1, 16, 64} {
			steps = append(steps, step{fmt.Sprintf("submit %s, %s", images.name, plural(n, "client")), func(ctx context.Context, name string) error {
				return b.versus(ctx, name, server, submit(images.bytes), n, images.goals)
			}})
		}
	}
	// The floor keeps no list of jobs, which is one call of storage in four.
	steps = append(steps, step{"submit 20 KB, 1 client, LIST_JOBS=false", func(ctx context.Context, name string) error {
		return b.versus(ctx, name, unlisted, submit(short), 1, smallGoals)
	}})
	for _, n := range []int{1, 16} {
		steps = append(steps, step{"status, " + plural(n, "client"), func(ctx context.Context, name string) error {
			id, err := b.completed(ctx, short)
			if err != nil {
				return err
			}
			// 201 means completed; the floor has no status.
			return b.versus(ctx, name, server, load{method: "GET", path: "/jobs/" + id}, n, statusGoals)
		}})
	}
	for _, n := range []int{1, 16} {
		steps = append(steps, step{"output 2 MB, " + plural(n, "client"), func(ctx context.Context, name string) error {
			id, err := b.completed(ctx, long)
			if err != nil {
				return err
			}
			return b.versus(ctx, name, server, load{method: "GET", path: "/jobs/" + id + "/output", want: 200, wantBytes: int64(len(long))}, n, outputGoals)
		}})
	}
	steps = append(steps,
		step{"submit to completed", func(ctx context.Context, name string) error { return b.beyond(ctx, name, short) }},
		step{"claim to complete", func(ctx context.Context, name string) error { return b.work(ctx, name, short) }},
		step{"1,000 dead receivers, S3 and SQS", func(ctx context.Context, name string) error { return b.deadReceivers(ctx, server, name, short) }},
		step{"1,000 dead receivers, PostgreSQL", func(ctx context.Context, name string) error { return b.deadReceivers(ctx, database, name, short) }},
		step{"exec to first answer", func(ctx context.Context, name string) error { return b.cold(ctx, name, short) }},
		step{"1 upload of 1 GiB", func(ctx context.Context, name string) error { return b.memory(ctx, name, 1, 1<<30, long, 128) }},
		step{"64 uploads of 20 MB", func(ctx context.Context, name string) error { return b.memory(ctx, name, 64, 20_000_000, long, 256) }},
	)
	for _, home := range []struct {
		name  string
		which side
	}{{"folder", database}, {"bucket", mixed}} {
		prefix := "PostgreSQL and a " + home.name + ", "
		for _, n := range []int{1, 16} {
			steps = append(steps, step{prefix + "submit 20 KB, " + plural(n, "client"), func(ctx context.Context, name string) error {
				return b.homesSubmit(ctx, home.which, name, submit(short), n)
			}})
		}
		steps = append(steps,
			step{prefix + "submit to completed, beyond the processing", func(ctx context.Context, name string) error { return b.homesBeyond(ctx, home.which, name, short) }},
			step{prefix + "claim to complete, 16 at once", func(ctx context.Context, name string) error { return b.homesWork(ctx, home.which, name, short) }},
		)
	}
	for _, s := range steps {
		if !b.only.MatchString(s.name) {
			continue
		}
		b.tell(s.name)
		if err := b.harness.renew(ctx); err != nil {
			return err
		}
		if err := s.run(ctx, s.name); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if b.grown > 0 {
		if err := b.harness.renew(ctx); err != nil {
			return err
		}
		if err := b.homeGrowth(ctx, "PostgreSQL", short, []int{b.grown / 5000, b.grown / 50, b.grown}); err != nil {
			return err
		}
	}
	if b.listed > 0 {
		if err := b.lists(ctx, curves{}, short, max(b.listed/100, 1)); err != nil {
			return err
		}
	}
	if b.plots == "" {
		return nil
	}
	return b.growth(ctx, short, long)
}

// tell reports the current measurement.
func (b *bench) tell(what string) {
	fmt.Fprintf(b.progress, "%s %s\n", time.Now().Format(time.TimeOnly), what)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
