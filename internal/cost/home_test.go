package cost_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/cost"
)

func TestHomesByHand(t *testing.T) {
	t.Parallel()
	in := func(h cost.Home) cost.Workload {
		w := million
		w.Home, w.Schedule = h, 10*time.Minute
		return w
	}
	toClients := (1e6*(1.0/1024+5000.0/(1<<30)) - 100) * 0.09 // result and 5 answers, 100 GiB free
	tests := map[cost.Home]map[cost.Item]float64{             // in USD
		cost.Lambda: {
			cost.S3Writes: 7_000 * 0.005,
			// 5 long polls of 20 s all the time, instead of those of a worker
			cost.SQSRequests:    (3 + 5*0.1314 - 1) * 0.40,
			cost.LambdaRequests: (6 - 1) * 0.20,
			// 5 answers of 0.1 s in half a GB, one job of 1 s in 2 GB; 400,000 free
			cost.LambdaTime: (250_000 + 2_000_000 - 400_000) * 0.0000133334,
			cost.AWSEgress:  toClients,
		},
		cost.Machine: {
			cost.MachineHours: 730 * 0.0816,
			cost.Disk:         (20 + 1e6*(3.0/1024+1000.0/(1<<30))*168/730) * 0.08,
			cost.AWSEgress:    toClients,
		},
		cost.CloudRunJob: {
			// 4380 starts of 70 s and a million seconds of work; free seconds
			cost.JobCPU:      (4380*70 + 1_000_000 - 240_000) * 0.000018,
			cost.JobMemory:   (2*(4380*70+1_000_000) - 450_000) * 0.000002,
			cost.SQSRequests: (3 + 4380*70/20/1e6 - 1) * 0.40,
			cost.RunRequests: (5 - 2) * 0.40,
		},
	}
	for home, want := range tests {
		b, err := cost.NewBill(in(home), cost.Published())
		if err != nil {
			t.Fatal(err)
		}
		got := map[cost.Item]float64{}
		for _, l := range b.Lines {
			got[l.Item] = l.Amount
		}
		for item, amount := range want {
			if math.Abs(got[item]-amount) > 1e-6 {
				t.Errorf("%s: %s is %.6f, want %.6f", home, item, got[item], amount)
			}
		}
		others := []cost.Item{cost.PoolCPU, cost.PoolMemory}
		switch home {
		case cost.Lambda:
			others = append(others, cost.RunRequests, cost.RunCPU, cost.RunMemory, cost.GoogleEgress)
		case cost.Machine:
			others = append(others, cost.S3Writes, cost.S3Reads, cost.S3Storage, cost.SQSRequests, cost.SQSGroups, cost.RunRequests, cost.RunCPU, cost.RunMemory, cost.GoogleEgress)
		}
		for _, item := range others {
			if _, ok := got[item]; ok {
				t.Errorf("%s: another home's %s is on the bill", home, item)
			}
		}
	}
	for name, w := range map[string]cost.Workload{
		"an unknown home": in("moon"), "no schedule": {Home: cost.CloudRunJob, Lease: time.Minute},
		"too much for a machine": {Home: cost.Machine, Jobs: 1e7, Work: time.Second, Lease: time.Minute},
	} {
		if _, err := cost.NewBill(w, cost.Published()); err == nil {
			t.Errorf("%s is not an error", name)
		}
	}
}

// TestPricesOfAnEarlierRelease serve for what they know.
func TestPricesOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	p := cost.Published()
	delete(p.Items, cost.LambdaTime)
	if _, err := cost.NewBill(million, p); err != nil {
		t.Errorf("Cloud Run: %v", err)
	}
	w := million
	w.Home = cost.Lambda
	if _, err := cost.NewBill(w, p); err == nil || !strings.Contains(err.Error(), "lambda_time") {
		t.Errorf("Lambda without its price: %v", err)
	}
}

// TestScheduleForPeople reads the schedule in the bill's first lines.
func TestScheduleForPeople(t *testing.T) {
	t.Parallel()
	for schedule, want := range map[time.Duration]string{
		10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Second: "30s", 100 * time.Second: "1m40s", 10*time.Hour + 10*time.Second: "10h0m10s",
	} {
		w := million
		w.Home, w.Schedule = cost.CloudRunJob, schedule
		b, err := cost.NewBill(w, cost.Published())
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := b.Write(&out); err != nil {
			t.Fatal(err)
		}
		if want := "workers that start every " + want + ", kept for"; !strings.Contains(out.String(), want) {
			t.Errorf("a schedule of %s: no %q in %s", schedule, want, out.String())
		}
	}
}

// TestPageComparesHomes compares the table of docs/deploy.md with the bills.
func TestPageComparesHomes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	bill := func(w cost.Workload) *cost.Bill {
		w.Size, w.OutputSize, w.Polls, w.Outputs, w.Work, w.Answer = 2e6, 300e3, 3, 1, time.Second, 100*time.Millisecond
		w.Lease, w.Days, w.ServerCPU, w.ServerGiB, w.WorkerCPU, w.WorkerGiB = time.Minute, 7, 1, 0.5, 1, 2
		b, err := cost.NewBill(w, cost.Published())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, home := range []struct {
		home     cost.Home
		schedule time.Duration
		flags    string
	}{
		{cost.Lambda, 0, "--home=lambda"},
		{cost.Machine, 0, "--home=machine"},
		{cost.CloudRun, 0, "--home=cloud-run"},
		{cost.CloudRunJob, 10 * time.Minute, "--home=cloud-run-job"},
		{cost.CloudRunJob, time.Hour, "--home=cloud-run-job --schedule=1h"},
	} {
		w := cost.Workload{Home: home.home, Schedule: home.schedule}
		few, many := w, w
		few.Jobs, many.Jobs = 1e4, 1e6
		row := fmt.Sprintf("| `%s` | %.2f | %.2f | %.2f |", home.flags, bill(many).Idle, bill(few).Total, bill(many).Total)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/deploy.md has no %s", row)
		}
	}
}
