package cost

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Workload describes the jobs of a month, and where they are done.
type Workload struct {
	Home       Home          `json:"home,omitempty"`        // CloudRun by default
	Schedule   time.Duration `json:"schedule_ns,omitempty"` // of CloudRunJob: time between two starts
	Jobs       float64       `json:"jobs"`                  // a month
	Size       int64         `json:"size"`                  // of an image, bytes
	OutputSize int64         `json:"output_size"`           // bytes
	Polls      float64       `json:"polls"`                 // reads of a job's status
	Outputs    float64       `json:"outputs"`               // downloads of a job's output
	Direct     bool          `json:"direct"`                // images go to S3 by direct upload
	Work       time.Duration `json:"work_ns"`               // of a worker for one job
	Workers    int           `json:"workers"`               // always running; zero for as many as the work needs
	Answer     time.Duration `json:"answer_ns"`             // of the server for one request
	Lease      time.Duration `json:"lease_ns"`              // as LEASE
	Days       float64       `json:"days"`                  // days that jobs are kept
	ServerCPU  float64       `json:"server_vcpus"`          // of an instance
	ServerGiB  float64       `json:"server_gib"`
	WorkerCPU  float64       `json:"worker_vcpus"`
	WorkerGiB  float64       `json:"worker_gib"`
}

const (
	// month is 730 hours, as AWS counts.
	month = 730 * time.Hour
	// pollsPerHour is the number of long polls of an idle worker, of 20 s each.
	pollsPerHour = 180
	// DocumentBytes is an upper bound for a job's document without its params.
	DocumentBytes = 1000
	// billedTime is the shortest time that Cloud Run bills.
	billedTime = 100 * time.Millisecond
)

// Line is one item of a bill.
type Line struct {
	Item     Item    `json:"item"`
	Name     string  `json:"name"`
	Quantity float64 `json:"quantity"` // a month
	Unit     string  `json:"unit"`
	Amount   float64 `json:"amount"`  // a month
	PerJob   float64 `json:"per_job"` // zero without jobs
	Idle     float64 `json:"idle"`    // the part of Amount that is due without any job
	price    Price
}

// Bill is the cost of a month.
type Bill struct {
	Workload Workload `json:"workload"`
	Place    string   `json:"place"`
	Currency string   `json:"currency"`
	AsOf     string   `json:"as_of"`
	Lines    []Line   `json:"lines"`
	Total    float64  `json:"total"`
	PerJob   float64  `json:"per_job"`
	Idle     float64  `json:"idle"` // the cost of a month without any job
}

// NewBill adds up a month.
func NewBill(w Workload, p *Prices) (*Bill, error) {
	if w.Size < 0 || w.OutputSize < 0 || w.Work < 0 || w.Workers < 0 || w.Answer < 0 {
		return nil, errors.New("a number of the workload is less than zero")
	}
	for _, n := range []float64{w.Jobs, w.Polls, w.Outputs, w.Days} {
		if !(n >= 0 && n <= 1e12) { // NaN fails this, too
			return nil, fmt.Errorf("%v in the workload is less than zero, or more than 1e12, or no number", n)
		}
	}
	if w.Lease <= 0 {
		return nil, errors.New("the lease is not more than zero")
	}
	if w.Home == CloudRunJob && w.Schedule <= 0 {
		return nil, errors.New("the schedule is not more than zero")
	}
	need := int(math.Ceil(w.Jobs * w.Work.Seconds() / month.Seconds()))
	switch {
	case w.Workers == 0:
		w.Workers = max(need, 1)
	case w.Workers < need:
		return nil, fmt.Errorf("%d workers cannot do so many jobs of %s each in a month; it takes at least %d", w.Workers, w.Work, need)
	}
	b := &Bill{Workload: w, Place: p.Place, Currency: p.Currency, AsOf: p.AsOf}
	quantities, err := w.quantities()
	if err != nil {
		return nil, err
	}
	without := w
	without.Jobs = 0
	idle, err := without.quantities()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if _, ok := quantities[n.item]; !ok {
			continue // another home's
		}
		price, ok := p.Items[n.item]
		if !ok {
			return nil, fmt.Errorf("the prices have no %s, which the bill of %s needs", n.item, w.Home)
		}
		l := Line{Item: n.item, Name: n.name, Quantity: quantities[n.item], Unit: price.Unit, Amount: price.of(quantities[n.item]),
			Idle: price.of(idle[n.item]), price: price}
		if w.Jobs > 0 {
			l.PerJob = l.Amount / w.Jobs
		}
		b.Lines = append(b.Lines, l)
		b.Total += l.Amount
		b.PerJob += l.PerJob
		b.Idle += l.Idle
	}
	return b, nil
}

// life returns the requests of one job, without those whose number w gives.
func (w Workload) life() (all []string) {
	steps := []Step{Submit, Receive, Claim, Read, Write, Complete, Record, Done}
	if w.Direct {
		steps = append([]Step{Announce, Upload, Commit}, steps[1:]...)
	}
	for _, s := range steps {
		for _, r := range s.Requests {
			switch {
			case r == "PutObject input" && !w.Direct:
				all = append(all, put("input", w.Size)...)
			case r == "PutObject output":
				all = append(all, put("output", w.OutputSize)...)
			default:
				all = append(all, r)
			}
		}
	}
	return all
}

// quantities returns the number of units of each item in a month.
func (w Workload) quantities() (map[Item]float64, error) {
	renewals := math.Floor(w.Work.Seconds() / (w.Lease / 3).Seconds())
	job := count(w.life()).
		plus(count(Status.Requests).times(w.Polls)).
		plus(count(Output.Requests).times(w.Outputs)).
		plus(count(Renew.Requests).times(renewals))
	polls := count(Idle.Requests).times(pollsPerHour * month.Hours() * float64(w.Workers))

	answers := 1 + w.Polls + w.Outputs
	documents := w.Polls + w.Outputs + 1 // documents read: by each of these, and by the worker
	throughServer := float64(w.Size)
	if w.Direct {
		answers++
		documents++
		throughServer = 0
	}
	const gib = 1 << 30
	in, out, document := float64(w.Size), float64(w.OutputSize), float64(DocumentBytes)
	serving := w.Jobs * answers * max(math.Ceil(float64(w.Answer)/float64(billedTime)), 1) * billedTime.Seconds()
	q := map[Item]float64{
		S3Writes:    w.Jobs * job.writes,
		S3Reads:     w.Jobs * job.reads,
		SQSRequests: w.Jobs*job.messages + polls.messages,
		SQSGroups:   w.Jobs * job.messages,
		RunRequests: w.Jobs * answers,
		RunCPU:      serving * w.ServerCPU,
		RunMemory:   serving * w.ServerGiB,
		S3Storage:   w.Jobs * (in + out + document) / gib * w.Days * 24 / month.Hours(),
		AWSEgress:   w.Jobs * (in + out*w.Outputs + document*documents) / gib,
		// The image and the result on their way into S3, and the answers and results for
		// clients.
		GoogleEgress: w.Jobs * (throughServer + out + out*w.Outputs + document*answers) / gib,
	}
	return q, w.Home.at(q, w, polls)
}

// Write writes the bill for people.
func (b *Bill) Write(out io.Writer) error {
	w := b.Workload
	way := ""
	if w.Direct {
		way = " by direct upload"
	}
	fmt.Fprintf(out, "A month of %s: images of %s%s, outputs of %s, each job's status read %s\n",
		of(w.Jobs, "job"), size(w.Size), way, size(w.OutputSize), of(w.Polls, "time"))
	workers := of(float64(w.Workers), "worker")
	switch w.Home {
	case Lambda:
		workers = "Lambda"
	case Machine:
		workers += " on one machine"
	case CloudRunJob:
		workers = "workers that start every " + duration(w.Schedule)
	}
	fmt.Fprintf(out, "and its output %s, %s of work each by %s, kept for %s.\n", of(w.Outputs, "time"), w.Work, workers, of(w.Days, "day"))
	fmt.Fprintf(out, "List prices of %s, %s, without taxes and discounts.\n\n", b.Place, b.AsOf)
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	const name = "%-16s\t" // to the left of its column
	fmt.Fprintf(t, name+"a month\tunit\tfree\tprice\t%s a month\tof 1000 jobs\tof idling\t\n", "", b.Currency)
	for _, l := range b.Lines {
		free := ""
		if l.price.free() > 0 {
			free = number(l.price.free())
		}
		price := strconv.FormatFloat(l.price.at(max(l.Quantity, l.price.free()+1)), 'f', -1, 64)
		if l.price.Per != 1 {
			price += " for " + number(l.price.Per)
		}
		fmt.Fprintf(t, name+"%s\t%s\t%s\t%s\t%.2f\t%.4f\t%.2f\t\n", l.Name, number(l.Quantity), l.Unit, free, price, l.Amount, l.PerJob*1000, l.Idle)
	}
	fmt.Fprintf(t, name+"\t\t\t\t%.2f\t%.4f\t%.2f\t\n", "total", b.Total, b.PerJob*1000, b.Idle)
	return t.Flush()
}

// of returns n and a noun in the right number: "1 worker".
func of(n float64, what string) string {
	if n != 1 {
		what += "s"
	}
	return number(n) + " " + what
}

// duration returns d without the zeros at its end: 10m, 1h or 30s.
func duration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-len(zero)+1]
		}
	}
	return s
}

// number returns n in whole numbers with commas; below 10, with up to two decimals.
func number(n float64) string {
	if n < 10 {
		return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64)
	}
	digits := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// size returns n bytes in decimal units.
func size(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.bytes {
			return number(float64(n)/float64(u.bytes)) + " " + u.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
