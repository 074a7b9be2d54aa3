package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"claimcheck.example/internal/cost"
)

// costCmd tells what a month costs, before the clouds do.
type costCmd struct {
	Jobs        float64       `default:"1e6" help:"Jobs a month (default ${default})."`
	Size        byteSize      `default:"2MB" help:"Size of an image (default ${default})."`
	OutputSize  *byteSize     `placeholder:"SIZE" help:"Size of a result (default: that of the image)."`
	Polls       float64       `default:"3" help:"How often the status of a job is read (default ${default})."`
	Outputs     float64       `default:"1" help:"How often the output of a job is fetched (default ${default})."`
	Direct      bool          `help:"Images go to S3 by direct upload."`
	Work        time.Duration `default:"1s" help:"How long a worker works at one job (default ${default})."`
	Workers     int           `placeholder:"N" help:"Workers that run all the time (default: as few as can do the work)."`
	Answer      time.Duration `default:"100ms" help:"How long the server works at one request, as if it had no others (default ${default})."`
	Lease       time.Duration `env:"LEASE" default:"60s" help:"The lease of a job; it is renewed at each third (default ${default})."`
	Days        float64       `env:"JOB_TTL_DAYS" default:"7" help:"How many days jobs are kept (default ${default})."`
	Format      string        `enum:"table,json" default:"table" help:"table or json (default ${default})."`
	Prices      string        `type:"existingfile" placeholder:"FILE" help:"Prices in place of the list prices that are built in."`
	PrintPrices bool          `help:"Print the file of the built-in prices, with sources, to be changed and given to --prices."`
}

// Help is what --help says beside the flags.
func (costCmd) Help() string {
	return `The requests of a job are those that docs/costs.md lists. Server and workers are taken to run on Cloud Run with the instances of cloudbuild.yaml (a server of 1 vCPU and 512 MiB, workers of 1 vCPU and 2 GiB), bucket and queue to be at AWS; so each image crosses from one cloud to the other. Storage is that of a month in which as many jobs come as go.`
}

// Run prints the bill.
func (c costCmd) Run(s streams) error {
	if c.PrintPrices {
		return cost.WritePublished(s.out)
	}
	prices := cost.Published()
	if c.Prices != "" {
		f, err := os.Open(c.Prices)
		if err != nil {
			return err
		}
		defer f.Close()
		if prices, err = cost.ReadPrices(f); err != nil {
			return fmt.Errorf("%s: %w", c.Prices, err)
		}
	}
	output := c.Size
	if c.OutputSize != nil {
		output = *c.OutputSize
	}
	b, err := cost.NewBill(cost.Workload{
		Jobs: c.Jobs, Size: int64(c.Size), OutputSize: int64(output), Polls: c.Polls, Outputs: c.Outputs, Direct: c.Direct,
		Work: c.Work, Workers: c.Workers, Answer: c.Answer, Lease: c.Lease, Days: c.Days,
		ServerCPU: 1, ServerGiB: 0.5, WorkerCPU: 1, WorkerGiB: 2,
	}, prices)
	if err != nil {
		return &lineError{err}
	}
	if c.Format == "json" {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(b)
	}
	return b.Write(s.out)
}

// byteSize is a number of bytes on the command line.
type byteSize int64

// UnmarshalText reads "1048576", "1.5MB" or "2MiB".
func (b *byteSize) UnmarshalText(text []byte) error {
	units := []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		s, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || !(n >= 0 && n*u.bytes < math.MaxInt64) {
			break
		}
		*b = byteSize(math.Round(n * u.bytes))
		return nil
	}
	return fmt.Errorf("%q is not a size such as 500000, 2MB or 1.5GiB", text)
}
