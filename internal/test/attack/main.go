// Command attack runs a server beside an S3 and SQS on loopback, has one owner attack it in
// each way that it knows, and prints what another owner notices of that:
//
//	go run ./internal/test/attack -for 20s
//
// The honest owner submits a small image, waits for nothing, asks for the status and fetches
// a large output, one after the other. It must never see a 429.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"claimcheck.example/internal/test/process"
)

func main() {
	process.RunBackend()
	var o options
	flag.DurationVar(&o.duration, "for", 20*time.Second, "how long each attack lasts")
	flag.IntVar(&o.strength, "strength", 140, "how many connections or streams an attack has")
	flag.StringVar(&o.only, "only", "", "the one attack to try")
	flag.StringVar(&o.root, "root", ".", "the module's folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	duration time.Duration
	strength int
	only     string
	root     string
}

// run measures the honest owner under each attack, and without one before and after it. The
// error says where it was refused.
func run(ctx context.Context, o options, out io.Writer) error {
	s, err := newHarness(ctx, o.root)
	if err != nil {
		return err
	}
	defer s.clear()
	fmt.Fprintf(out, "%-26s %8s %10s %10s %8s %8s\n", "attack", "rounds", "p50", "p99", "ratio", "refused")
	print := func(name string, seen *notice, calm time.Duration) {
		p50, p99 := seen.percentile(50), seen.percentile(99)
		fmt.Fprintf(out, "%-26s %8d %10s %10s %7.1fx %8d\n", name, len(seen.took), p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond),
			float64(p99)/float64(calm), len(seen.refused))
	}
	var errs []error
	calm, err := s.measure(ctx, attack{}, o)
	if err != nil {
		return err
	}
	for _, a := range attacks {
		if o.only != "" && o.only != a.name {
			continue
		}
		seen, err := s.measure(ctx, a, o)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		// The load of the machine changes from minute to minute.
		after, err := s.measure(ctx, attack{}, o)
		if err != nil {
			return err
		}
		around := &notice{took: slices.Concat(calm.took, after.took)}
		calm = after
		print("none", around, around.percentile(99))
		print(a.name, seen, around.percentile(99))
		if len(seen.refused) > 0 {
			errs = append(errs, fmt.Errorf("%s: the honest owner was refused %d times, first with %s", a.name, len(seen.refused), seen.refused[0]))
		}
		if len(seen.took) == 0 {
			errs = append(errs, fmt.Errorf("%s: the honest owner got nothing done", a.name))
		}
	}
	return errors.Join(errs...)
}

// notice is what the honest owner notices.
type notice struct {
	took    []time.Duration // of whole rounds
	refused []string
}

func (n *notice) percentile(p int) time.Duration {
	if len(n.took) == 0 {
		return 0
	}
	slices.Sort(n.took)
	return n.took[min(len(n.took)-1, len(n.took)*p/100)]
}

// measure has the honest owner go round while the attack lasts. The attack is under way
// before the first round begins.
func (s *harness) measure(ctx context.Context, a attack, o options) (*notice, error) {
	ctx, cancel := context.WithTimeout(ctx, o.duration+time.Minute)
	defer cancel()
	if a.begin != nil {
		end, err := a.begin(ctx, s, o.strength)
		if err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
		defer end()
	}
	n := &notice{}
	for start := time.Now(); len(n.took) < 3 || time.Since(start) < o.duration; {
		begin := time.Now()
		err := s.round(ctx)
		if refused, ok := errors.AsType[*refusal](err); ok {
			n.refused = append(n.refused, strings.TrimSpace(refused.Error()))
			if len(n.refused) >= 100 {
				break
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		n.took = append(n.took, time.Since(begin))
	}
	return n, nil
}
