package cost_test

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/cost"
)

// million is a workload whose bill was calculated by hand.
var million = cost.Workload{
	Jobs: 1e6, Size: 2 << 20, OutputSize: 1 << 20, Polls: 3, Outputs: 1, Work: time.Second, Answer: 100 * time.Millisecond,
	Lease: time.Minute, Days: 7, ServerCPU: 1, ServerGiB: 0.5, WorkerCPU: 1, WorkerGiB: 2,
}

func TestBillByHand(t *testing.T) {
	t.Parallel()
	direct, large, slow, double := million, million, million, million
	direct.Direct = true
	large.Size = 12 << 20 // three parts
	slow.Work, slow.Answer = 65*time.Second, 101*time.Millisecond
	double.Workers = 2
	tests := map[string]struct {
		w    cost.Workload
		want map[cost.Item]float64 // in USD
	}{
		"a million jobs": {million, map[cost.Item]float64{
			// submit 3, claim, output, complete, usage; $0.005 a thousand
			cost.S3Writes: 7_000 * 0.005,
			// claim, image; 3 polls; output 2; $0.0004 a thousand
			cost.S3Reads: 7_000 * 0.0004,
			// send, receive, delete; 180 polls in each of 730 hours; a million free
			cost.SQSRequests: (3 + 0.1314 - 1) * 0.40,
			cost.SQSGroups:   3 * 0.10,
			// submit, 3 polls, output; two millions free
			cost.RunRequests: (5 - 2) * 0.40,
			// 0.1 s of a vCPU each, 180,000 s free; of half a GiB, 360,000 free
			cost.RunCPU: (500_000 - 180_000) * 0.000024, cost.RunMemory: 0,
			// one worker all the time
			cost.PoolCPU: 2_628_000 * 0.000018, cost.PoolMemory: 2 * 2_628_000 * 0.000002,
			// (3 MiB and a document) for 168 of 730 hours
			cost.S3Storage: 1e6 * (3.0/1024 + 1000.0/(1<<30)) * 168 / 730 * 0.023,
			// image to the worker, result to the server; 5 documents; 100 GiB free
			cost.AWSEgress: (1e6*(3.0/1024+5000.0/(1<<30)) - 100) * 0.09,
			// image and result into S3, result to the client, 5 answers: the first GiB free, 1023 GiB at 0.12
			cost.GoogleEgress: 1023*0.12 + (1e6*(4.0/1024+5000.0/(1<<30))-1024)*0.11,
		}},
		"direct upload": {direct, map[cost.Item]float64{
			cost.S3Writes: 8_000 * 0.005,  // announced, uploaded, committed
			cost.S3Reads:  9_000 * 0.0004, // the commit reads document and image
			// the image does not pass Google; two calls of the server instead of one
			cost.GoogleEgress: 1023*0.12 + (1e6*(2.0/1024+6000.0/(1<<30))-1024)*0.11,
			cost.RunRequests:  (6 - 2) * 0.40,
		}},
		"in parts": {large, map[cost.Item]float64{cost.S3Writes: 11_000 * 0.005}}, // create, 3 parts, complete
		"long work": {slow, map[cost.Item]float64{
			cost.S3Writes:    10_000 * 0.005, // three renewals of the lease
			cost.SQSRequests: (6 + 25*0.1314 - 1) * 0.40,
			cost.RunCPU:      (1_000_000 - 180_000) * 0.000024, // 101 ms are billed as 200
			cost.PoolCPU:     25 * 2_628_000 * 0.000018,        // 65e6 s of work are 24.7 workers
		}},
		"two workers": {double, map[cost.Item]float64{cost.SQSRequests: (3 + 2*0.1314 - 1) * 0.40, cost.PoolCPU: 2 * 2_628_000 * 0.000018}},
		"nothing": {cost.Workload{Workers: 1, Lease: time.Minute, WorkerCPU: 1, WorkerGiB: 2}, map[cost.Item]float64{
			cost.S3Writes: 0, cost.S3Reads: 0, cost.SQSRequests: 0, cost.RunCPU: 0, cost.PoolCPU: 2_628_000 * 0.000018, cost.GoogleEgress: 0,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := cost.NewBill(tt.w, cost.Published())
			if err != nil {
				t.Fatal(err)
			}
			sum, idle := 0.0, 0.0
			for _, l := range b.Lines {
				if want, ok := tt.want[l.Item]; ok && math.Abs(l.Amount-want) > 1e-6 {
					t.Errorf("%s: %v %s cost %v, want %v", l.Item, l.Quantity, l.Unit, l.Amount, want)
				}
				sum += l.Amount
				idle += l.Idle
			}
			if math.Abs(b.Total-sum) > 1e-6 || tt.w.Jobs > 0 && math.Abs(b.PerJob*tt.w.Jobs-sum) > 1e-6 {
				t.Errorf("total is %v, %v a job, of lines that come to %v", b.Total, b.PerJob, sum)
			}
			workers := float64(b.Workload.Workers)
			polls := max(workers*131_400-1e6, 0) / 1e6 * 0.40
			if want := workers*2_628_000*(0.000018+2*0.000002) + polls; math.Abs(idle-want) > 1e-6 || math.Abs(b.Idle-want) > 1e-6 {
				t.Errorf("idle costs %v (%v), want %v", idle, b.Idle, want)
			}
		})
	}
}

func TestBillForPeople(t *testing.T) {
	t.Parallel()
	b, err := cost.NewBill(million, cost.Published())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	// Columns are separated by any number of spaces.
	got := regexp.MustCompile(` +`).ReplaceAllString(out.String(), " ")
	for _, want := range []string{
		"A month of 1,000,000 jobs: images of 2.1 MB, outputs of 1.05 MB, each job's status read 3 times",
		"and its output 1 time, 1s of work each by 1 worker, kept for 7 days.",
		"2026-06",
		"\n S3 writes 7,000,000 requests 0.005 for 1,000 35.00 0.0350 0.00\n",
		"\n SQS requests 3,131,400 requests 1,000,000 0.4 for 1,000,000 0.85 0.0009 0.00\n",
		"\n server: memory 250,000 GiB-s 360,000 0.0000025 0.00 0.0000 0.00\n",
		"\n total 816.57 0.8166 57.82\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWorkloadsThatCannotBe(t *testing.T) {
	t.Parallel()
	few, negative := million, million
	few.Work, few.Workers = 6*time.Second, 2
	negative.Polls = -1
	for name, tt := range map[string]struct {
		w    cost.Workload
		want string
	}{"too few workers": {few, "at least 3"}, "less than nothing": {negative, "less than zero"}} {
		if _, err := cost.NewBill(tt.w, cost.Published()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPricesAreChecked(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := cost.WritePublished(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := cost.ReadPrices(bytes.NewReader(file.Bytes())); err != nil {
		t.Error(err)
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"an item is missing":   {`"s3_reads"`, `"s3_looks"`, "s3_reads is missing; s3_looks is nothing"},
		"an unknown key":       {`"per"`, `"for"`, `"for"`},
		"tiers fall":           {`"up_to": 512000`, `"up_to": 512`, "s3_storage: the tiers do not rise"},
		"the last tier ends":   {`"tiers": [{"price": 0.1}]`, `"tiers": [{"up_to": 5, "price": 0.1}]`, "sqs_groups: the tiers"},
		"no currency":          {`"USD"`, `""`, "currency"},
		"a price below zero":   {`0.0004`, `-0.0004`, "s3_reads: the tiers"},
		"per nothing":          {`"per": 1000,`, `"per": 0,`, "s3_writes does not say"},
		"not JSON, or cut off": {`"place"`, `place`, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(file.String(), tt.old, tt.new, 1)
			if _, err := cost.ReadPrices(strings.NewReader(changed)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
