package httpapi

import (
	"math"
	"time"

	"claimcheck.example/internal/job"
)

// Estimator estimates the cost of jobs.
type Estimator struct {
	// Cost returns US dollars.
	Cost func(r job.Requests, processingSeconds float64) float64
	// Prices is the date of the list of prices.
	Prices string
}

// estimateView is the cost of some jobs, with the date of the prices.
type estimateView struct {
	USD    float64 `json:"usd"`
	Prices string  `json:"prices"`
}

// usedView is the usage of a job that is over.
type usedView struct {
	ProcessingSeconds float64 `json:"processing_seconds"`
	BytesIn           int64   `json:"bytes_in"`
	BytesOut          int64   `json:"bytes_out"`
	Pixels            int64   `json:"pixels"`
	Units             float64 `json:"units,omitempty"`
	// Requests and EstimatedCost are null if a worker that does not count had the job.
	Requests      *job.Requests `json:"requests"`
	EstimatedCost *estimateView `json:"estimated_cost"`
}

// used is the content of a job's usage record, or nil while there is none. A job that never
// started has no cost.
func (a *api) used(j *job.Job) *usedView {
	if !j.Status.Over() || j.Leased(a.Now()) {
		return nil
	}
	u := job.UsageRecord{Requests: &job.Requests{}}
	if !j.Lapsed && !j.Unaccepted && j.Attempts > 0 {
		u = j.Usage()
	}
	u.ProcessingSeconds = math.Round(u.ProcessingSeconds*1e6) / 1e6 // as the sums have it
	v := &usedView{u.ProcessingSeconds, u.BytesIn, u.BytesOut, u.Pixels, u.Units, u.Requests, nil}
	if u.Requests != nil {
		v.EstimatedCost = a.estimate(*u.Requests, u.ProcessingSeconds)
	}
	return v
}

func (a *api) estimate(r job.Requests, seconds float64) *estimateView {
	if a.Estimator.Cost == nil {
		return nil
	}
	return &estimateView{a.Estimator.Cost(r, seconds), a.Estimator.Prices}
}

// usageView is the usage of some days with its cost.
type usageView struct {
	Owner string         `json:"owner"`
	From  string         `json:"from"`
	To    string         `json:"to"`
	Days  []usageDayView `json:"days"`
	Total usageDayView   `json:"total"`
}

type usageDayView struct {
	job.UsageDay
	EstimatedCost *estimateView `json:"estimated_cost"`
}

func (a *api) viewUsage(u *job.Usage) usageView {
	day := func(d job.UsageDay) usageDayView {
		return usageDayView{d, a.estimate(d.Requests, d.ProcessingSeconds)}
	}
	v := usageView{u.Owner, u.From, u.To, []usageDayView{}, day(u.Total)}
	for _, d := range u.Days {
		v.Days = append(v.Days, day(d))
	}
	return v
}

// expiry is when storage deletes a job that does not change, or nil if that is unknown.
func (a *api) expiry(j *job.Job) *time.Time {
	if a.JobTTL <= 0 {
		return nil
	}
	t := j.UpdatedAt.Add(a.JobTTL)
	return &t
}
