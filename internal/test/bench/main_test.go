package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

func TestMain(m *testing.M) {
	process.RunBackend()
	os.Exit(m.Run())
}

// TestHomes measures each row that compares the homes with the fewest requests.
func TestHomes(t *testing.T) {
	t.Parallel()
	program.Need(t, "cat")
	pgtest.Programs(t)
	o := options{round: 20 * time.Millisecond, rounds: 1, short: true, volatile: true, json: true, root: "../../..", only: regexp.MustCompile("^PostgreSQL and a folder, (submit 20 KB, 16|claim|submit to)|^PostgreSQL and a bucket, claim")}
	var out bytes.Buffer
	if err := run(t.Context(), o, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	want := map[string][]figure{
		"PostgreSQL and a folder, submit 20 KB, 16 clients":                   {perSecond, p50, cpu, allocs, peakRSS},
		"PostgreSQL and a folder, submit to completed, beyond the processing": {p50, p99},
		"PostgreSQL and a folder, claim to complete, 16 at once":              {perSecond, cpu, peakRSS},
		"PostgreSQL and a bucket, claim to complete, 16 at once":              {perSecond, cpu, peakRSS},
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows, not %d: %s", len(rows), len(want), out.Bytes())
	}
	for _, r := range rows {
		if len(want[r.Name]) == 0 || len(r.Goals) == 0 {
			t.Errorf("row %q has %d goals", r.Name, len(r.Goals))
		}
		for _, c := range want[r.Name] {
			if !(r.Server[c] > 0 && r.Floor[c] > 0 && r.Ratio[c] > 0) {
				t.Errorf("%s: %s is %v : %v = %v", r.Name, c, r.Server[c], r.Floor[c], r.Ratio[c])
			}
		}
	}
}

// TestEveryKindOfRow measures one row of each kind with the fewest requests, and checks that
// each row has its figures. No test depends on the values.
func TestEveryKindOfRow(t *testing.T) {
	t.Parallel()
	program.Need(t, "cat") // a processor that costs next to nothing
	o := options{
		round: 20 * time.Millisecond, rounds: 1, short: true, json: true, root: "../../..",
		only:   regexp.MustCompile("^(submit 20 KB, 1 client, LIST|status, 1 |output 2 MB, 1 |submit to|claim to|exec to)"),
		listed: 1,
	}
	var out bytes.Buffer
	if err := run(t.Context(), o, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	both := []figure{perSecond, p50, p99, cpu, allocs, peakRSS}
	want := []struct {
		name          string
		server, floor []figure
		goals         int
	}{
		{"submit 20 KB, 1 client, LIST_JOBS=false", both, both, 3},
		{"status, 1 client", both, both, 3},
		{"output 2 MB, 1 client", both, both, 3},
		{"submit to completed, beyond the processing", []figure{p50, p99}, nil, 1},
		{"the same, until the answer to a waiting client", []figure{p50, p99}, nil, 0},
		{"claim to complete, 16 at once", []figure{perSecond, cpu, allocs, peakRSS}, nil, 0},
		{"exec to first answer", []figure{p50, p99, cpu, peakRSS}, []figure{p50, p99, cpu, peakRSS}, 1},
		{"list of 20, 16 clients, 1× = 1 own jobs, 1× = 1 of others", both, both, 0},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, not %d: %s", len(rows), len(want), out.Bytes())
	}
	for i, w := range want {
		r := rows[i]
		if r.Name != w.name || len(r.Goals) != w.goals {
			t.Errorf("row %d is %q with %d goals, not %q with %d", i, r.Name, len(r.Goals), w.name, w.goals)
		}
		for _, c := range columns {
			if got := r.Server[c] > 0; got != slices.Contains(w.server, c) {
				t.Errorf("%s: the server's %s is %v", r.Name, c, r.Server[c])
			}
			if got := r.Floor[c] > 0 && r.Ratio[c] > 0; got != slices.Contains(w.floor, c) {
				t.Errorf("%s: the floor's %s is %v, the ratio %v", r.Name, c, r.Floor[c], r.Ratio[c])
			}
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	second := func(cpu time.Duration, allocs int64, latencies ...time.Duration) round {
		return round{took: time.Second, latencies: latencies, taken: taken{CPU: cpu, Allocs: allocs, PeakRSS: 3 << 20}}
	}
	a, b := 10*time.Millisecond, 20*time.Millisecond
	r := compare("things", map[side][]round{
		server: {second(b, 400, a, b), second(4*b, 400, b, b), second(b, 400, a, a)},
		floor:  {second(a, 200, a, a), second(2*b, 200, a, a), second(b, 200, a, a)},
	})
	r.judge([]goal{{Figure: cpu, Ratio: true, Bound: 1.5}, {Figure: perSecond, Ratio: true, Bound: 0.9, AtLeast: true}, {Figure: peakRSS, Bound: 3}})
	var out bytes.Buffer
	markdown(&out, []row{r, {Name: "other", Server: figures{p50: 123.4}}})
	const want = `| what | requests/s | p50, ms | p99, ms | CPU, ms | allocations | peak RSS, MiB | goals |
|---|---|---|---|---|---|---|---|
| things | 2.00 : 2.00 = 1.00 | 20.0 : 10.0 = 2.00 | 20.0 : 10.0 = 2.00 | 10.0 : 10.0 = 2.00 | 200 : 100 = 2.00 | 3.00 : 3.00 = 1.00 | **missed**: CPU 2.00, not ≤ 1.50 |
| other |  | 123 |  |  |  |  |  |
`
	if got := out.String(); got != want {
		t.Errorf("the table is\n%s\nnot\n%s", got, want)
	}
}

func TestPictureHasTheRequestedSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10_000, small, 200_000} {
		p, err := picture(size)
		if err != nil || len(p) < size || len(p) > size+size/10 || !strings.HasPrefix(string(p), "\xff\xd8\xff") {
			t.Errorf("for %d bytes there are %d, %v", size, len(p), err)
		}
	}
}

func TestGrowthIsDrawn(t *testing.T) {
	t.Parallel()
	var c []point
	for i, x := range []float64{200, 2000, 20000} {
		f := figures{p50: float64(i + 1), cpu: 0.5, peakRSS: 30}
		c = append(c, point{x, row{Server: f, Floor: f}})
	}
	file := filepath.Join(t.TempDir(), "growth.svg")
	if err := drawGrowth(file, curves{"status": c}, curves{"submit": c}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"p50 by jobs", "CPU of a request", "p50 by size", "Peak memory", ">status, floor<", ">20k<"} {
		if !strings.Contains(string(b), text) {
			t.Errorf("the picture has no %q", text)
		}
	}
}
