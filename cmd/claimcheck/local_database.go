package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/provision"
)

// storageVariables say where the jobs of a service are. The local service has jobs of its
// own, wherever the shell's are.
var storageVariables = []string{"S3_BUCKET", "SQS_QUEUE_URL", "DATABASE_URL", "DOCUMENTS", "OBJECTS", "QUEUE", "WEBHOOK_QUEUE_URL"}

// forgetStorage takes the shell's own storage out of the environment.
func forgetStorage() error {
	var err error
	for _, name := range storageVariables {
		err = errors.Join(err, os.Unsetenv(name))
	}
	return err
}

// onDatabase runs API and worker over a database and a folder of images below data, in place
// of S3 and SQS.
func (l localCmd) onDatabase(ctx context.Context, s streams, listener net.Listener, data string) error {
	start := time.Now()
	if l.Database.Scheme() != "postgres" {
		return wrongLine("--database is not a URL such as postgres://user@host/claimcheck")
	}
	images := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(data, "images"))}
	steps, err := app.ProvisionSteps(ctx, []config.Location{l.Database}, config.Location(images.String()), nil)
	if err != nil {
		return err
	}
	plan := (*provision.Plan)(nil).With(steps...)
	plan.Apply(ctx, func(*provision.Step) {})
	if err := plan.Err(); err != nil {
		return err
	}
	if err := forgetStorage(); err != nil {
		return err
	}
	if err := errors.Join(os.Setenv("DATABASE_URL", string(l.Database)), os.Setenv("OBJECTS", images.String())); err != nil {
		return err
	}
	welcomed := false
	err = l.serve(ctx, listener, data, func(ctx context.Context, p *app.Process) { p.Sweep(ctx) }, func(c *config.Config, people []signedIn) {
		var b strings.Builder
		l.welcome(&b, c, people, time.Since(start))
		fmt.Fprintf(&b, "Your own worker needs DATABASE_URL with the value of --database, and:\n\n    export OBJECTS=%s\n", images.String())
		fmt.Fprintf(&b, "\nJobs and their results are deleted after %d days (JOB_TTL_DAYS).\n", c.JobTTLDays)
		fmt.Fprintf(&b, "\nData is kept in %s and in the database\n", data)
		fmt.Fprint(s.out, b.String())
		welcomed = true
	})
	if welcomed {
		fmt.Fprintln(s.out, "\nStopped. Everything is kept in", data, "and in the database")
	}
	return err
}
