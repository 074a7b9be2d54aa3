package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"
)

// deliveriesCmd tells what became of the webhook of a job.
type deliveriesCmd struct {
	server
	Job    string `arg:"" name:"job" predictor:"job" help:"The job: its URL or identifier."`
	Replay bool   `help:"Send the webhook again."`
	Format string `enum:"text,json" default:"text" help:"How to print: text, or json for the API's JSON document (default ${default})."`
}

// Run prints the state, and a line for each try.
func (c deliveriesCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	d, err := api.Deliveries(ctx, c.Job, c.Replay)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return json.NewEncoder(s.out).Encode(d)
	}
	next := ""
	if d.NextTryAt != nil {
		next = ", next try " + d.NextTryAt.Local().Format(time.DateTime)
	}
	if _, err := fmt.Fprintf(s.out, "%s %s%s\n", d.State, d.WebhookID, next); err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	for _, try := range d.Tries {
		status := "-"
		if try.Status != 0 {
			status = strconv.Itoa(try.Status)
		}
		fmt.Fprintf(t, "%s\t%s\t%.3f s\t%s\n", try.At.Local().Format(time.DateTime), status, try.Seconds, try.Reason)
	}
	return t.Flush()
}
