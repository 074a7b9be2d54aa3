package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// TestCostOfACanceledJob cancels a job that a worker has: the card shows what the job has used
// after the worker has noticed.
func TestCostOfACanceledJob(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	j := jobtest.Claimed(aged(time.Second), "worker")
	j.StartedAt, j.LeaseUntil = j.UpdatedAt, j.UpdatedAt.Add(time.Hour)
	stock(t, s, nil, j)
	b := open(t, s.URL, look{}, `{ const real = setTimeout; window.setTimeout = (f, ms, ...rest) => ms === 10_000 ? (window.learn = f) : real(f, ms, ...rest); }`)
	b.until(`document.querySelector(".card")?.dataset.state === "processing"`)
	eval[any](b, `document.querySelector(".cancel").click()`)
	b.until(`document.querySelector(".card").dataset.state === "canceled" && window.learn`)
	facts := `document.querySelector(".facts").textContent.replaceAll("\u00a0", " ")`
	if got := eval[string](b, facts); strings.Contains(got, "work") || strings.Contains(got, "$") {
		t.Errorf("before the worker has noticed the card says %q", got)
	}
	store := s3store.New(s.S3, s.Bucket, s3store.Options{})
	now, err := store.Load(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	now.LeaseUntil, now.Worker, now.WorkSeconds = time.Time{}, "", 0.25
	now.Requests = &job.Counted{Requests: job.Requests{StoreWrites: 7, StoreReads: 2, Queue: 3}, Attempts: now.Attempts}
	if _, err := store.Swap(t.Context(), now.Stamp(time.Now())); err != nil {
		t.Fatal(err)
	}
	eval[any](b, `learn()`)
	b.until(facts + `.includes("0.25 s of work · $")`)
}

// TestCostAgeAndExpiry shows what is known of three jobs: of one that a worker ended which counts
// its requests, of one that a worker had which does not, and of one that waits.
func TestCostAgeAndExpiry(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "JOB_TTL_DAYS=9")
	foreign := ended(aged(60*time.Hour), job.Completed, "")
	foreign.Requests.Attempts = 0
	counted := ended(aged(210*time.Minute), job.Completed, "")
	waiting := aged(90 * time.Minute)
	stock(t, s, picture(t, 1, 60, 40, false), foreign, counted, waiting)
	b := open(t, s.URL, look{})
	b.until(`document.querySelectorAll(".card").length === 3`)
	usd, _ := apptest.Get(t, s.URL+"/jobs/"+string(counted.ID)).JSON(t)["usage"].(map[string]any)["estimated_cost"].(map[string]any)["usd"].(float64)
	if usd < 0.00004 || usd >= 0.00005 {
		t.Fatalf("the job costs %v", usd)
	}
	until := func(j *job.Job) string {
		return "kept until " + eval[string](b, `new Date(%s).toLocaleDateString("en", { day: "numeric", month: "short" })`, j.UpdatedAt.AddDate(0, 0, 9))
	}
	price := eval[string](b, `new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumSignificantDigits: 2 }).format(%s)`, usd)
	facts := func() (texts []string) {
		for _, f := range eval[[]string](b, `[...document.querySelectorAll(".card .facts")].map((f) => f.textContent)`) {
			texts = append(texts, strings.ReplaceAll(f, "\u00a0", " "))
		}
		return texts
	}
	want := []string{
		"1 hour ago · " + until(waiting),
		"3 hours ago · 0.25 s of work · " + price + " · " + until(counted),
		"2 days ago · 0.25 s of work · cost not counted · " + until(foreign),
	}
	if got := facts(); !slices.Equal(got, want) {
		t.Errorf("the cards say %q, want %q", got, want)
	}

	eval[any](b, `document.querySelector("#usage").open = true`)
	b.until(`document.querySelectorAll("#usage-table tbody tr").length > 1`)
	rows := eval[[]string](b, `[...document.querySelectorAll("#usage-table tbody tr")].map((r) => [...r.cells].map((c) => c.textContent).join(", "))`)
	day := func(j *job.Job, cost string) string {
		return fmt.Sprintf("%s, 1, 0.2, %s", j.EndedAt.Format(time.DateOnly), cost)
	}
	if want := []string{day(counted, price), day(foreign, "not counted")}; !slices.Equal(rows, want) {
		t.Errorf("the table says %q, want %q", rows, want)
	}
	eval[any](b, `(() => { const m = document.querySelector("#measure"); m.value = "cost"; m.dispatchEvent(new Event("change")); })()`)
	if got, want := eval[string](b, `document.querySelector("#usage-total").textContent`), "Estimated cost in 30 days: "+price+", without 1 job whose cost is not counted"; got != want {
		t.Errorf("the usage is %q, want %q", got, want)
	}
	tips := eval[[]string](b, `[...document.querySelectorAll("#chart .bar title")].map((e) => e.textContent)`)
	for _, want := range []string{counted.EndedAt.Format(time.DateOnly) + ": " + price, foreign.EndedAt.Format(time.DateOnly) + ": not counted"} {
		if !slices.Contains(tips, want) {
			t.Errorf("no bar says %q: %q", want, tips)
		}
	}
	b.named()
	b.screenshot("facts")
	for _, width := range []int64{390, 360, 320} {
		b.look(look{width: width, height: 844})
		b.screenshot(fmt.Sprintf("facts-%d", width))
	}
}
