package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/client"
	"claimcheck.example/internal/cost"
	"claimcheck.example/internal/job"
)

// usageCmd sums up usage: of oneself and, by the policies, of another owner through the
// API; of all, for the operator, from the bucket.
type usageCmd struct {
	server
	From   string `placeholder:"DAY" help:"The first day (UTC), such as 2026-11-01 (default: 30 days before the last)."`
	To     string `placeholder:"DAY" help:"The last day, inclusive (default: today)."`
	Owner  string `help:"Print the usage of another owner, written issuer|subject. The server's policies decide who may see it."`
	All    bool   `help:"Print the usage of all owners, read directly from the bucket or the database with the credentials of the environment."`
	Bucket string `env:"S3_BUCKET" help:"The bucket, with --all."`
	backends
	Prices string `env:"PRICES_FILE" placeholder:"FILE" help:"With --all: estimate the cost by the prices in this file instead of the built-in list prices."`
	Groups bool   `env:"SQS_MESSAGE_GROUPS" default:"true" negatable:"" help:"With --all: the queue is a fair queue, whose requests cost more (default true)."`
	Format string `enum:"table,csv,json" default:"table" help:"Output format: table, csv or json (default ${default})."`
}

// Run prints the usage of each owner as soon as it is summed up.
func (c usageCmd) Run(ctx context.Context, s streams) error {
	from, to, err := c.days(time.Now())
	if err != nil {
		return err
	}
	if !c.All {
		api, err := c.client()
		if err != nil {
			return err
		}
		u, err := api.Usage(ctx, c.Owner, c.From, c.To)
		if err != nil {
			return err
		}
		w := newBill(s.out, c.Format)
		return w.end(w.add(u))
	}
	if c.Owner != "" {
		return wrongLine("--all and --owner exclude each other")
	}
	prices, err := app.LoadPrices(c.Prices)
	if err != nil {
		return err
	}
	all, closes, err := app.UsageOfAll(ctx, c.backends.config(c.Bucket, "").Documents(), from, to)
	if err != nil {
		return err
	}
	defer closes()
	w := newBill(s.out, c.Format)
	for u, err := range all {
		if err != nil {
			return w.end(err)
		}
		if err := w.add(usageView(u, prices, c.Groups)); err != nil {
			return w.end(err)
		}
	}
	return w.end(nil)
}

// days reads --from and --to as the API does.
func (c usageCmd) days(now time.Time) (from, to time.Time, err error) {
	to = now.UTC().Truncate(24 * time.Hour)
	if c.To != "" {
		if to, err = time.Parse(time.DateOnly, c.To); err != nil {
			return from, to, wrongLine("--to is not a day such as 2026-11-22")
		}
	}
	from = to.AddDate(0, 0, -30)
	if c.From != "" {
		if from, err = time.Parse(time.DateOnly, c.From); err != nil {
			return from, to, wrongLine("--from is not a day such as 2026-11-22")
		}
	}
	if to.Before(from) {
		return from, to, wrongLine("--from is later than --to")
	}
	return from, to, nil
}

// usageView returns a sum in the form of the API.
func usageView(u *job.Usage, p *cost.Prices, groups bool) *client.Usage {
	day := func(d job.UsageDay) client.UsageDay {
		return client.UsageDay{
			Day: d.Day, Jobs: d.Jobs, Completed: d.Completed, Failed: d.Failed, Canceled: d.Canceled, Deleted: d.Deleted,
			BytesIn: d.BytesIn, BytesOut: d.BytesOut, Pixels: d.Pixels, ProcessingSeconds: d.ProcessingSeconds, Units: d.Units,
			Requests: client.Requests(d.Requests), Uncounted: d.Uncounted,
			EstimatedCost: &client.Estimate{USD: p.Estimate(d.Requests.StoreWrites, d.Requests.StoreReads, d.Requests.Queue, d.ProcessingSeconds, groups), Prices: p.AsOf},
		}
	}
	c := &client.Usage{Owner: u.Owner, From: u.From, To: u.To, Total: day(u.Total)}
	for _, d := range u.Days {
		c.Days = append(c.Days, day(d))
	}
	return c
}

// columns of a bill, in addition to the owner.
var columns = []string{"day", "jobs", "completed", "failed", "canceled", "deleted", "bytes_in", "bytes_out", "pixels", "processing_seconds", "units", "store_writes", "store_reads", "queue", "uncounted", "estimated_usd"}

func row(day string, d client.UsageDay) []string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	estimated := ""
	if d.EstimatedCost != nil {
		estimated = number(d.EstimatedCost.USD)
	}
	return []string{
		day, strconv.Itoa(d.Jobs), strconv.Itoa(d.Completed), strconv.Itoa(d.Failed), strconv.Itoa(d.Canceled), strconv.Itoa(d.Deleted),
		strconv.FormatInt(d.BytesIn, 10), strconv.FormatInt(d.BytesOut, 10), strconv.FormatInt(d.Pixels, 10), number(d.ProcessingSeconds), number(d.Units),
		strconv.Itoa(d.Requests.StoreWrites), strconv.Itoa(d.Requests.StoreReads), strconv.Itoa(d.Requests.Queue), strconv.Itoa(d.Uncounted), estimated,
	}
}

// bill writes usage in one of the formats: a table with totals for people; a line for
// each owner and day as CSV; a JSON object a line for each owner.
type bill struct {
	add func(*client.Usage) error
	end func(error) error // takes an error on
}

func newBill(w io.Writer, format string) bill {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		return bill{func(u *client.Usage) error { return enc.Encode(u) }, func(err error) error { return err }}
	case "csv":
		c := csv.NewWriter(w)
		_ = c.Write(append([]string{"owner"}, columns...))
		return bill{
			func(u *client.Usage) error {
				for _, d := range u.Days {
					_ = c.Write(append([]string{u.Owner}, row(d.Day, d)...))
				}
				return c.Error()
			},
			func(err error) error {
				c.Flush()
				if err == nil {
					err = c.Error()
				}
				return err
			},
		}
	}
	return table(w)
}

func table(w io.Writer) bill {
	owners := 0
	return bill{
		func(u *client.Usage) error {
			if owners++; owners > 1 {
				fmt.Fprintln(w)
			}
			owner := u.Owner
			if owner == job.Anonymous.Owner() {
				owner = "everyone"
			}
			fmt.Fprintf(w, "Usage of %s, %s to %s\n\n", owner, u.From, u.To)
			if len(u.Days) == 0 {
				_, err := fmt.Fprintln(w, "No job ended on these days.")
				return err
			}
			t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
			line := func(cells []string) {
				for _, cell := range cells {
					fmt.Fprint(t, cell, "\t")
				}
				fmt.Fprintln(t)
			}
			line(columns)
			for _, d := range u.Days {
				line(row(d.Day, d))
			}
			line(row("total", u.Total))
			return t.Flush()
		},
		func(err error) error {
			if owners == 0 && err == nil {
				_, err = fmt.Fprintln(w, "No job ended on these days.")
			}
			return err
		},
	}
}
