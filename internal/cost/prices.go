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

// Published returns the list prices that come with the program, of the month that AsOf
// says.
func Published() *Prices {
	p, err := ReadPrices(bytes.NewReader(published))
	if err != nil {
		panic(err) // the file beside this one
	}
	return p
}

// WritePublished writes the file of these prices, to be changed and read by ReadPrices.
func WritePublished(w io.Writer) error {
	_, err := w.Write(published)
	return err
}

// Prices are what the clouds ask for, before taxes and discounts.
type Prices struct {
	Place    string         `json:"place"`
	Currency string         `json:"currency"`
	AsOf     string         `json:"as_of"` // month or day
	Items    map[Item]Price `json:"prices"`
}

// Item is something that a cloud charges for.
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
)

// names are what items are called, in the order of a bill.
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
	{S3Storage, "S3 storage"},
	{AWSEgress, "out of AWS"},
	{GoogleEgress, "out of Google"},
}

type named struct {
	item Item
	name string
}

// Price is that of one item.
type Price struct {
	// Per is how many units the tiers' prices are for.
	Per    float64 `json:"per"`
	Unit   string  `json:"unit"`
	Tiers  []Tier  `json:"tiers"`
	Source string  `json:"source"`
	Note   string  `json:"note,omitempty"`
}

// Tier is the price of the units of a month up to a number, from where the tier before
// ends.
type Tier struct {
	UpTo  float64 `json:"up_to,omitempty"` // zero: all further
	Price float64 `json:"price"`
}

// of is what this many units of a month cost.
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

// free is how many units of a month cost nothing.
func (p Price) free() float64 {
	if p.Tiers[0].Price == 0 {
		return p.Tiers[0].UpTo
	}
	return 0
}

// at is the price of the last of this many units.
func (p Price) at(units float64) float64 {
	for _, t := range p.Tiers {
		if t.UpTo == 0 || units <= t.UpTo {
			return t.Price
		}
	}
	return 0 // not reached: the last tier has no end
}

// ReadPrices reads a file of prices. The error names what is wrong with it.
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
