// Command server runs the API as a process: the container's entry point on Cloud Run or
// any other host. Environment variables configure it.
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
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c, err := config.Load(config.Server, os.Environ())
	if err != nil {
		return err
	}
	return app.Serve(ctx, c)
}
