package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/posener/complete"

	"claimcheck.example/internal/client"
)

// listCmd lists jobs.
type listCmd struct {
	server
	Status []string `enum:"pending,processing,completed,failed,canceled" placeholder:"STATUS" help:"Only jobs with this status: pending, processing, completed, failed or canceled. Separate several by commas."`
	Since  string   `placeholder:"WHEN" help:"Only jobs created since then; a day (UTC), a time such as 2026-11-01T08:00:00Z, or an age such as 36h or 2d."`
	Until  string   `placeholder:"WHEN" help:"Only jobs created until then; a day counts to its end."`
	Limit  int      `default:"20" placeholder:"N" help:"The largest number of jobs (default ${default})."`
	All    bool     `help:"Print all jobs, without a limit."`
	Owner  string   `help:"List the jobs of another owner, written issuer|subject. The server's policies decide who may."`
	Format string   `enum:"auto,table,json" default:"auto" help:"Output format: table, or json for one JSON document per line (default: table on a terminal, else json)."`
}

// Run prints the jobs, the newest first, while the pages come.
func (c listCmd) Run(ctx context.Context, s streams) error {
	o := client.ListOptions{Owner: c.Owner, Statuses: c.Status, Limit: c.Limit}
	var err error
	now := time.Now()
	if o.Since, o.Until, err = bounds(c.Since, c.Until, now); err != nil {
		return err
	}
	switch {
	case c.All:
		o.Limit = 0
	case c.Limit < 1:
		return wrongLine("--limit is not a number of jobs; for all of them use --all")
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	_, onTerminal := terminal(s.out)
	show, end := lines(s.out)
	if c.Format == "table" || c.Format == "auto" && onTerminal {
		show, end = tableOfJobs(s.out, now)
	}
	for j, err := range api.List(ctx, o) {
		if err == nil {
			err = show(j)
		}
		if err != nil {
			return err
		}
	}
	return end()
}

func lines(w io.Writer) (show func(*client.Job) error, end func() error) {
	enc := json.NewEncoder(w)
	return func(j *client.Job) error { return enc.Encode(j) }, func() error { return nil }
}

// rowsAtOnce is how many rows of a table share their columns.
const rowsAtOnce = 100

func tableOfJobs(w io.Writer, now time.Time) (show func(*client.Job) error, end func() error) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	rows := 0
	show = func(j *client.Job) (err error) {
		if rows == 0 {
			fmt.Fprintln(t, "JOB\tSTATUS\tAGE\tINPUT\tSIZE\tRESULT")
		}
		result := j.Message
		if j.Location != "" {
			result = j.Location
		}
		_, err = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", j.ID, j.Status, age(now.Sub(j.CreatedAt)), j.Input.ContentType, j.Input.SizeBytes, result)
		if rows++; err == nil && rows%rowsAtOnce == 0 {
			err = t.Flush()
		}
		return err
	}
	return show, func() error {
		if rows == 0 {
			fmt.Fprintln(t, "No jobs.")
		}
		return t.Flush()
	}
}

// age is a time in its largest unit: 5s, 12m, 3h, 2d.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(max(0, int(d.Seconds()))) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

const (
	// completionTime bounds how long a shell waits for the identifiers of jobs.
	completionTime = 2 * time.Second
	// completedJobs is how many it shows.
	completedJobs = 50
)

// predictJobs completes the identifiers of the newest jobs of the server in the environment.
// A server that does not answer completes nothing.
func predictJobs(environ func(string) string) complete.Predictor {
	return complete.PredictFunc(func(complete.Args) (ids []string) {
		at := server{Server: environ("CLAIMCHECK_SERVER"), AuthHeader: environ("CLAIMCHECK_AUTH_HEADER")}
		if at.Server == "" {
			at.Server = "http://localhost:8080"
		}
		if at.AuthHeader == "" {
			at.AuthHeader = "Authorization"
		}
		api, err := at.client()
		if err != nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		for j, err := range api.List(ctx, client.ListOptions{Limit: completedJobs}) {
			if err != nil {
				return ids
			}
			ids = append(ids, j.ID)
		}
		return ids
	})
}
