package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/client"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
)

// TestUsage bills one's own jobs, by the API.
func TestUsage(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	if r := claimcheck(t.Context(), nil, "usage", "--server", s.URL); r.code != 0 || !strings.Contains(r.out, "No job ended") {
		t.Errorf("no jobs: exit code %d, %q", r.code, r.out)
	}
	s.StartWorker(t)
	first := time.Now().UTC().Format(time.DateOnly)
	if r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, "--wait", photo(t), photo(t)); r.code != 0 {
		t.Fatal(r.err)
	}
	for range time.Tick(20 * time.Millisecond) { // a record follows the end of its job
		r := claimcheck(t.Context(), nil, "usage", "--server", s.URL, "--format", "csv")
		rows, err := csv.NewReader(strings.NewReader(r.out)).ReadAll()
		if err != nil || r.code != 0 {
			t.Fatalf("%v: %q, %q", err, r.out, r.err)
		}
		if len(rows) == 3 && rows[1][2] == "1" && rows[2][2] == "1" {
			break // midnight was between the jobs
		}
		if len(rows) == 2 && rows[1][2] == "2" {
			day := rows[1][1]
			if last := time.Now().UTC().Format(time.DateOnly); day != first && day != last {
				t.Errorf("the day is %s, want %s or %s", day, first, last)
			}
			want := []string{"anonymous|anonymous", day, "2", "2", "0", "0", "0", "452298"}
			if diff := cmp.Diff(want, rows[1][:8]); diff != "" {
				t.Errorf("bill (-want +got):\n%s", diff)
			}
			total := apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)
			requests, usd := total["requests"].(map[string]any), total["estimated_cost"].(map[string]any)["usd"].(float64)
			cost := []string{fmt.Sprint(requests["store_writes"]), fmt.Sprint(requests["store_reads"]), fmt.Sprint(requests["queue"]), fmt.Sprint(total["uncounted"]), strconv.FormatFloat(usd, 'f', -1, 64)}
			if diff := cmp.Diff(cost, rows[1][len(rows[1])-5:]); diff != "" {
				t.Errorf("requests and cost (-want +got):\n%s", diff)
			}
			break
		}
	}
	if r := claimcheck(t.Context(), nil, "usage", "--server", s.URL); !strings.HasPrefix(r.out, "Usage of everyone, ") || strings.Contains(r.out, "anonymous") {
		t.Errorf("the table begins with %.80q", r.out)
	}
	if r := claimcheck(t.Context(), nil, "usage", "--server", s.URL, "--from", "yesterday"); r.code != 2 || !strings.Contains(r.err, "--from is not a day") {
		t.Errorf("exit code %d, %q", r.code, r.err)
	}
}

// TestUsageOfAll bills every owner, from the bucket. It sets the environment, as an
// operator does, and so runs alone.
func TestUsageOfAll(t *testing.T) {
	s := apptest.Start(t)
	for _, kv := range s.Servers.Env(s.Bucket, s.QueueURL) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	store := s3store.New(s.S3, s.Bucket, s3store.Options{})
	first := time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)
	jobs := map[string]int{"https://a.example|alice": 3, "https://a.example|bob": 2, "https://b.example|alice": 4}
	for owner, days := range jobs {
		for day := range days {
			ended := first.AddDate(0, 0, day)
			for n := range day + 1 {
				id := job.NewID()
				record, err := json.Marshal(job.UsageRecord{JobID: id, Owner: owner, Outcome: job.Completed, EndedAt: ended, BytesIn: int64(n + 1), Units: 0.5})
				if err != nil {
					t.Fatal(err)
				}
				if err := store.RecordUsage(t.Context(), owner, ended, id, record); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := map[string]string{}
	for owner, days := range jobs {
		count, bytes := 0, 0
		for day := 1; day < min(days, 3); day++ { // of the second and third day
			count += day + 1
			bytes += (day + 1) * (day + 2) / 2
		}
		if count > 0 {
			want[owner] = fmt.Sprint(count, " jobs, ", bytes, " bytes")
		}
	}
	args := []string{"usage", "--all", "--from", "2026-02-28", "--to", "2026-03-01", "--format", "json"}
	r := claimcheck(t.Context(), nil, args...)
	got := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var u client.Usage
		if err := d.Decode(&u); err != nil {
			t.Fatal(err)
		}
		got[u.Owner] = fmt.Sprint(u.Total.Jobs, " jobs, ", u.Total.BytesIn, " bytes")
	}
	if diff := cmp.Diff(want, got); diff != "" || r.code != 0 {
		t.Errorf("exit code %d, %s\n(-want +got):\n%s", r.code, r.err, diff)
	}
	if r := claimcheck(t.Context(), nil, append(args, "--bucket", "does-not-exist-1")...); r.code != 1 || !strings.Contains(r.err, "does not exist") {
		t.Errorf("no bucket: exit code %d, %q", r.code, r.err)
	}
}
