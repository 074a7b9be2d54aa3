package app

import (
	"fmt"
	"os"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/cost"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
)

// LoadPrices reads a file of prices; the published ones without a name.
func LoadPrices(name string) (*cost.Prices, error) {
	if name == "" {
		return cost.Published(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("PRICES_FILE: %w", err)
	}
	defer f.Close()
	p, err := cost.ReadPrices(f)
	if err != nil {
		return nil, fmt.Errorf("PRICES_FILE: %s: %w", name, err)
	}
	return p, nil
}

// newEstimator returns what the estimates in the API go by.
func newEstimator(c *config.Config) (httpapi.Estimator, error) {
	p, err := LoadPrices(c.PricesFile)
	if err != nil {
		return httpapi.Estimator{}, err
	}
	return httpapi.Estimator{Prices: p.AsOf, Cost: func(r job.Requests, seconds float64) float64 {
		return p.Estimate(r.StoreWrites, r.StoreReads, r.Queue, seconds, c.MessageGroups)
	}}, nil
}

// charges are the backends whose provider charges for each request.
func charges(c *config.Config) job.Charges {
	queue := c.Queue().Scheme()
	return job.Charges{Documents: c.Documents().Scheme() == "s3", Objects: c.Objects().Scheme() == "s3", Queue: queue == "http" || queue == "https"}
}
