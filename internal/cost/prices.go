package cost

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed prices.json
var published []byte

// Published returns the list prices of the program, as of the month in AsOf.
func Published() *Prices {
	p, err := ReadPrices(bytes.NewReader(published))
	if err != nil {
		panic(err) // the embedded file
	}
	return p
}

// WritePublished writes the file of these prices, for changes and ReadPrices.
func WritePublished(w io.Writer) error {
	_, err := w.Write(published)
	return err
}

// Prices are the prices of the clouds, before taxes and discounts.
type Prices struct {
	Place    string         `json:"place"`
	Currency string         `json:"currency"`
	AsOf     string         `json:"as_of"` // month or day
	Items    map[Item]Price `json:"prices"`
}

// Item is a unit that a cloud charges for.
type Item string

// The items of a bill.
const (
	S3Writes     Item = "s3_writes"
	S3Reads      Item = "s3_reads"
	SQSRequests  Item = "sqs_requests"
	SQSGroups    Item = "sqs_groups"
	RunRequests  Item = "run_requests"
	RunCPU       Item = "run_cpu"
	RunMemory    Item = "run_memory"
	PoolCPU      Item = "pool_cpu"
	PoolMemory   Item = "pool_memory"
	S3Storage    Item = "s3_storage"
	AWSEgress    Item = "aws_egress"
	GoogleEgress Item = "google_egress"

	JobCPU         Item = "job_cpu"
	JobMemory      Item = "job_memory"
	LambdaRequests Item = "lambda_requests"
	LambdaTime     Item = "lambda_time"
	MachineHours   Item = "machine_hours"
	Disk           Item = "disk"
)

// names are the names of items, in the order of a bill.
var names = []named{
	{S3Writes, "S3 writes"},
	{S3Reads, "S3 reads"},
	{SQSRequests, "SQS requests"},
	{SQSGroups, "SQS fair queue"},
	{RunRequests, "server: requests"},
	{RunCPU, "server: CPU"},
	{RunMemory, "server: memory"},
	{PoolCPU, "workers: CPU"},
	{PoolMemory, "workers: memory"},
	{JobCPU, "workers: CPU"},
	{JobMemory, "workers: memory"},
	{LambdaRequests, "Lambda: requests"},
	{LambdaTime, "Lambda: time"},
	{MachineHours, "machine"},
	{Disk, "disk"},
	{S3Storage, "S3 storage"},
	{AWSEgress, "out of AWS"},
	{GoogleEgress, "out of Google"},
}

// extra are the items of other homes than Cloud Run. A file of an earlier release has no
// prices for them, and is good without.
var extra = []Item{JobCPU, JobMemory, LambdaRequests, LambdaTime, MachineHours, Disk}

type named struct {
	item Item
	name string
}

// Price is the price of one item.
type Price struct {
	// Per is the number of units that a tier's price is for.
	Per    float64 `json:"per"`
	Unit   string  `json:"unit"`
	Tiers  []Tier  `json:"tiers"`
	Source string  `json:"source"`
	Note   string  `json:"note,omitempty"`
}

// Tier is the price of a month's units from the end of the previous tier up to a number.
type Tier struct {
	UpTo  float64 `json:"up_to,omitempty"` // zero: no limit
	Price float64 `json:"price"`
}

// of returns the cost of that many units in a month.
func (p Price) of(units float64) float64 {
	sum, from := 0.0, 0.0
	for _, t := range p.Tiers {
		to := units
		if t.UpTo > 0 {
			to = min(units, t.UpTo)
		}
		sum += max(to-from, 0) / p.Per * t.Price
		from = t.UpTo
	}
	return sum
}

// free returns the number of units in a month that cost nothing.
func (p Price) free() float64 {
	if p.Tiers[0].Price == 0 {
		return p.Tiers[0].UpTo
	}
	return 0
}

// at returns the price of the last of that many units.
func (p Price) at(units float64) float64 {
	for _, t := range p.Tiers {
		if t.UpTo == 0 || units <= t.UpTo {
			return t.Price
		}
	}
	return 0 // unreachable: the last tier has no limit
}

// ReadPrices reads a file of prices. The error names its mistakes.
func ReadPrices(r io.Reader) (*Prices, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var p Prices
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("the prices cannot be read: %w", err)
	}
	var wrong []string
	for _, n := range names {
		price, ok := p.Items[n.item]
		switch {
		case !ok && slices.Contains(extra, n.item):
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%s is missing", n.item))
		case price.Per <= 0 || price.Unit == "":
			wrong = append(wrong, fmt.Sprintf("%s does not say per how many of which unit", n.item))
		case !rising(price.Tiers):
			wrong = append(wrong, fmt.Sprintf("%s: the tiers do not rise, each up to more than the one before, the last without up_to", n.item))
		}
	}
	for _, item := range slices.Sorted(maps.Keys(p.Items)) {
		if !slices.ContainsFunc(names, func(n named) bool { return n.item == item }) {
			wrong = append(wrong, fmt.Sprintf("%s is nothing that is on the bill", item))
		}
	}
	if p.Currency == "" || p.AsOf == "" || p.Place == "" {
		wrong = append(wrong, "place, currency or as_of is missing")
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("the prices are not complete: %s", strings.Join(wrong, "; "))
	}
	return &p, nil
}

func rising(tiers []Tier) bool {
	last := 0.0
	for i, t := range tiers {
		if t.Price < 0 || (t.UpTo == 0) != (i == len(tiers)-1) || t.UpTo != 0 && t.UpTo <= last {
			return false
		}
		last = t.UpTo
	}
	return len(tiers) > 0
}
