package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"claimcheck.example/internal/client"
)

// cancelCmd cancels jobs.
type cancelCmd struct {
	server
	Jobs   []string `arg:"" name:"job" predictor:"job" help:"The jobs: their URLs or identifiers."`
	Format string   `enum:"text,json" default:"text" help:"How to print each job: text, or json for the API's JSON document, one per line (default ${default})."`
}

// Run cancels one job after the other.
func (c cancelCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	return each(ctx, s, c.Jobs, func(name string) error {
		j, err := api.Cancel(ctx, name)
		if err != nil {
			return err
		}
		return printJob(s.out, c.Format, j)
	})
}

// printJob prints a job on one line.
func printJob(w io.Writer, format string, j *client.Job) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(j)
	}
	_, err := fmt.Fprintln(w, line(j))
	return err
}

// watch prints each status of a job, until the job is over. On a terminal all but the last
// are one line that changes.
func watch(ctx context.Context, s streams, api *client.Client, name, format string) (last *client.Job, err error) {
	columns, live := terminal(s.out)
	live = live && format == "text"
	err = api.Watch(ctx, name, func(j *client.Job) error {
		last = j
		if !live {
			return printJob(s.out, format, j)
		}
		if j.Over() {
			_, err := fmt.Fprint(s.out, "\r\x1b[K", line(j), "\n")
			return err
		}
		text := []rune(strings.ReplaceAll(line(j), "\t", "  "))
		if over := len(text) - (columns - 1); over > 0 { // the end says more than the URL
			text = text[over:]
		}
		_, err := fmt.Fprint(s.out, "\r\x1b[K", string(text))
		return err
	})
	if err != nil && live && last != nil && !last.Over() {
		fmt.Fprintln(s.out)
	}
	return last, err
}

// progressOf says how far the processing of a job is; empty when the processor does not say.
func progressOf(j *client.Job) string {
	if j.Progress == nil {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%.0f %% %s", j.Progress.Fraction*100, j.Progress.Note))
}
