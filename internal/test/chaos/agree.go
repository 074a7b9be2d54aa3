package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"time"

	"claimcheck.example/internal/job"
)

// used is the usage in a status, a sum or a record.
type used struct {
	BytesIn  int64         `json:"bytes_in"`
	BytesOut int64         `json:"bytes_out"`
	Pixels   int64         `json:"pixels"`
	Requests *job.Requests `json:"requests"`
}

// agree compares the API's list, the statuses of its jobs and its sum of usage with the
// documents and the usage records in storage.
func (r *report) agree(ctx context.Context, a auditor, c *clients, jobs map[string]*job.Job, records map[string]object) error {
	var sum job.UsageDay
	billed := map[string]used{}
	for id, o := range records {
		raw, err := a.record(ctx, o.key)
		var rec job.UsageRecord
		if err == nil {
			err = json.Unmarshal(raw, &rec)
		}
		if err != nil {
			return fmt.Errorf("usage record %s: %w", o.key, err)
		}
		sum.Add(rec)
		billed[id] = used{rec.BytesIn, rec.BytesOut, rec.Pixels, rec.Requests}
	}
	if err := r.sumAgrees(ctx, c, sum); err != nil {
		return err
	}
	listed := map[string]bool{}
	for next := "/jobs?limit=100"; next != ""; {
		var page struct {
			Jobs []struct {
				ID    string `json:"job_id"`
				Usage *used  `json:"usage"`
			}
			Next string
		}
		if err := c.read(ctx, next, &page); err != nil {
			return err
		}
		for _, l := range page.Jobs {
			j := jobs[l.ID]
			switch {
			case listed[l.ID]:
				r.breaks("job %s is in the list twice", l.ID)
			case j == nil || j.Deleted || j.Unaccepted:
				r.breaks("job %s is in the list and exists for no client", l.ID)
			case j.Status.Over():
				want := billed[string(j.ObjectID())]
				if j.Attempts == 0 {
					want = used{Requests: &job.Requests{}}
				}
				if l.Usage == nil || !reflect.DeepEqual(*l.Usage, want) {
					r.breaks("the usage of job %s is not what its record says", l.ID)
				}
			}
			listed[l.ID] = true
		}
		if next = ""; page.Next != "" {
			u, err := url.Parse(page.Next)
			if err != nil {
				return err
			}
			next = u.RequestURI()
		}
	}
	r.listed = len(listed)
	for id := range c.promised {
		if j := jobs[id]; j != nil && !j.Deleted && !listed[id] {
			r.breaks("job %s is not in the list", id)
		}
	}
	return nil
}

// sumAgrees compares /usage with the sum of all records.
func (r *report) sumAgrees(ctx context.Context, c *clients, want job.UsageDay) error {
	var got struct{ Total job.UsageDay }
	if err := c.read(ctx, "/usage?from="+time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), &got); err != nil {
		return err
	}
	// The order of the records decides the last digit of a sum of fractions.
	want.ProcessingSeconds, want.Units = got.Total.ProcessingSeconds, got.Total.Units
	if got.Total != want {
		r.breaks("the usage is %+v, and the records come to %+v", got.Total, want)
	}
	return nil
}

// read reads a JSON answer.
func (c *clients) read(ctx context.Context, path string, into any) error {
	status, body, err := c.get(ctx, path)
	if err == nil && status != 200 {
		err = fmt.Errorf("status %d: %s", status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}
