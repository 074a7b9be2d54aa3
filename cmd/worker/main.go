// Command worker takes jobs from the queue and processes them. Environment variables
// configure it; it needs no port.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c, err := config.Load(config.Worker, os.Environ())
	if err != nil {
		return err
	}
	return app.Work(ctx, c)
}
