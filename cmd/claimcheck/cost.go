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
	Home        string        `enum:"lambda,machine,cloud-run,cloud-run-job" default:"cloud-run" help:"Where the service runs: lambda, machine, cloud-run or cloud-run-job (default ${default})."`
	Schedule    time.Duration `default:"10m" help:"Time between two starts of a worker, with --home=cloud-run-job (default ${default})."`
	Jobs        float64       `default:"1e6" help:"Jobs per month (default ${default})."`
	Size        byteSize      `default:"2MB" help:"Size of an image (default ${default})."`
	OutputSize  *byteSize     `placeholder:"SIZE" help:"Size of a result (default: that of the image)."`
	Polls       float64       `default:"3" help:"Status requests per job (default ${default})."`
	Outputs     float64       `default:"1" help:"Output requests per job (default ${default})."`
	Direct      bool          `help:"Count direct uploads to S3."`
	Work        time.Duration `default:"1s" help:"Processing time of one job (default ${default})."`
	Workers     int           `placeholder:"N" help:"Number of workers that run all month (default: the fewest that can do the work)."`
	Answer      time.Duration `default:"100ms" help:"Time that the server spends on one request alone (default ${default})."`
	Lease       time.Duration `env:"LEASE" default:"60s" help:"The lease of a job; the worker renews it after each third (default ${default})."`
	Days        float64       `env:"JOB_TTL_DAYS" default:"7" help:"Days that jobs are kept (default ${default})."`
	Format      string        `enum:"table,json" default:"table" help:"Output format: table or json (default ${default})."`
	Prices      string        `type:"existingfile" placeholder:"FILE" help:"Use the prices in this file instead of the built-in list prices."`
	PrintPrices bool          `help:"Print the built-in prices and their sources as a file that you can edit and pass to --prices."`
}

// Help is the text of --help in addition to the flags.
func (costCmd) Help() string {
	return `The estimate counts the requests that docs/costs.md lists. It assumes a server of 1 vCPU and 512 MiB, and workers of 1 vCPU and 2 GiB. The homes are:

lambda: server and worker are functions of AWS Lambda (512 MB and 2 GB, arm64), bucket and queue are at AWS.

machine: one m7g.large of EC2 (2 vCPU, 8 GiB) with server, workers, PostgreSQL and the folder of images.

cloud-run: server and workers run on Cloud Run with the instances of cloudbuild.yaml, and bucket and queue are at AWS, so each image crosses from one cloud to the other.

cloud-run-job: the same, but a schedule starts the workers, which end when no job has come for 60 s.

It assumes a month in which as many jobs expire as arrive, and counts the storage of that month.`
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
	w := cost.Workload{
		Home: cost.Home(c.Home),
		Jobs: c.Jobs, Size: int64(c.Size), OutputSize: int64(output), Polls: c.Polls, Outputs: c.Outputs, Direct: c.Direct,
		Work: c.Work, Workers: c.Workers, Answer: c.Answer, Lease: c.Lease, Days: c.Days,
		ServerCPU: 1, ServerGiB: 0.5, WorkerCPU: 1, WorkerGiB: 2,
	}
	if w.Home == cost.CloudRunJob {
		w.Schedule = c.Schedule
	}
	b, err := cost.NewBill(w, prices)
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
