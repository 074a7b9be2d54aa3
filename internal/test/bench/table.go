package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// figure is one column of the table.
type figure string

const (
	perSecond figure = "requests/s"
	p50       figure = "p50, ms"
	p99       figure = "p99, ms"
	cpu       figure = "CPU, ms"
	allocs    figure = "allocations"
	peakRSS   figure = "peak RSS, MiB"
)

var columns = []figure{perSecond, p50, p99, cpu, allocs, peakRSS}

// figures are the figures of one program in one row; CPU and allocations are per request.
type figures map[figure]float64

// goal bounds one figure of a row.
type goal struct {
	Figure  figure  `json:"figure"`
	Ratio   bool    `json:"ratio"` // of the server's to the floor's; else the server's own
	Bound   float64 `json:"bound"`
	AtLeast bool    `json:"at_least,omitempty"` // else at most
	Is      float64 `json:"is"`
	Met     bool    `json:"met"`
}

// row is one line of the table.
type row struct {
	Name   string  `json:"name"`
	Server figures `json:"server"`
	Floor  figures `json:"floor,omitempty"`
	Ratio  figures `json:"ratio,omitempty"` // the server's to the floor's: the median over the pairs of rounds
	Goals  []goal  `json:"goals,omitempty"`
}

// judge compares the row with its goals.
func (r *row) judge(goals []goal) {
	for _, g := range goals {
		from := r.Server
		if g.Ratio {
			from = r.Ratio
		}
		is, ok := from[g.Figure]
		if !ok {
			continue
		}
		g.Is = is
		g.Met = is <= g.Bound
		if g.AtLeast {
			g.Met = is >= g.Bound
		}
		r.Goals = append(r.Goals, g)
	}
}

// compare makes a row of alternating rounds.
func compare(name string, rounds map[side][]round) row {
	r := row{Name: name, Server: summary(rounds[server])}
	f := rounds[floor]
	if len(f) == 0 {
		return r
	}
	r.Floor, r.Ratio = summary(f), figures{}
	for _, c := range columns {
		r.Ratio[c] = r.Server[c] / r.Floor[c]
	}
	// Each round is compared with its neighbour: other load on the machine affects both.
	for c, of := range each {
		var pairs []float64
		for i := range min(len(f), len(rounds[server])) {
			pairs = append(pairs, of(rounds[server][i])/of(f[i]))
		}
		r.Ratio[c] = median(pairs)
	}
	return r
}

// each are the figures of a single round.
var each = map[figure]func(round) float64{
	perSecond: func(r round) float64 { return float64(len(r.latencies)) / r.took.Seconds() },
	cpu:       func(r round) float64 { return ms(r.taken.CPU) / float64(max(r.jobs, len(r.latencies))) },
	allocs:    func(r round) float64 { return float64(r.taken.Allocs) / float64(max(r.jobs, len(r.latencies))) },
}

func summary(rounds []round) figures {
	f := figures{}
	var all []time.Duration
	for _, r := range rounds {
		all = append(all, r.latencies...)
		f[peakRSS] = max(f[peakRSS], float64(r.taken.PeakRSS)/(1<<20))
	}
	for c, of := range each {
		var values []float64
		for _, r := range rounds {
			values = append(values, of(r))
		}
		f[c] = median(values)
	}
	f[p50], f[p99] = quantile(all, 0.50), quantile(all, 0.99)
	return f
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the q-quantile in milliseconds, by the nearest rank.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return math.NaN()
	}
	d = slices.Clone(d)
	slices.Sort(d)
	return ms(d[min(int(q*float64(len(d))), len(d)-1)])
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	switch n := len(v); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// markdown prints the table. A cell is the server's figure, the floor's and the ratio.
func markdown(out io.Writer, rows []row) {
	head := []string{"what"}
	for _, c := range columns {
		head = append(head, string(c))
	}
	head = append(head, "goals")
	fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		cells := []string{r.Name}
		for _, c := range columns {
			cells = append(cells, r.cell(c))
		}
		cells = append(cells, r.verdict())
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
}

func (r row) cell(c figure) string {
	own, ok := r.Server[c]
	if !ok || math.IsNaN(own) {
		return ""
	}
	text := digits(own)
	if base, ok := r.Floor[c]; ok {
		text += fmt.Sprintf(" : %s = %.2f", digits(base), r.Ratio[c])
	}
	return text
}

// digits prints three significant digits of v, or all digits before the point.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func (r row) verdict() string {
	var missed []string
	for _, g := range r.Goals {
		if g.Met {
			continue
		}
		sign := "≤"
		if g.AtLeast {
			sign = "≥"
		}
		name, _, _ := strings.Cut(string(g.Figure), ",")
		missed = append(missed, fmt.Sprintf("%s %s, not %s %s", name, digits(g.Is), sign, digits(g.Bound)))
	}
	switch {
	case len(missed) > 0:
		return "**missed**: " + strings.Join(missed, "; ")
	case len(r.Goals) > 0:
		return "met"
	}
	return ""
}

// writeJSON prints the rows for programs.
func writeJSON(out io.Writer, rows []row) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
