package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/cost"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

// prometheusServer is a running Prometheus.
type prometheusServer struct {
	url   string
	ended chan struct{}
}

// startPrometheus starts Prometheus with the rules of docs/monitoring, which fire without
// their pause here, and scrapes the targets of each job.
func startPrometheus(t *testing.T, targets map[string][]int) prometheusServer {
	t.Helper()
	path := program.Need(t, "prometheus")
	dir := t.TempDir()
	rules, err := os.ReadFile(awstest.Module("docs/monitoring/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules = regexp.MustCompile(`(?m)^ +for: .+\n`).ReplaceAll(rules, nil)
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yaml]\nscrape_configs:\n"
	for job, ports := range targets {
		var addresses []string
		for _, port := range ports {
			addresses = append(addresses, fmt.Sprintf("%q", fmt.Sprint("127.0.0.1:", port)))
		}
		config += fmt.Sprintf("  - {job_name: %s, static_configs: [{targets: [%s]}]}\n", job, strings.Join(addresses, ", "))
	}
	for name, text := range map[string][]byte{"alerts.yaml": rules, "prometheus.yaml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(path, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := prometheusServer{fmt.Sprint("http://127.0.0.1:", port), make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("Prometheus: %s", log.Bytes())
		}
	})
	return p
}

// get reads an answer of the API; false while Prometheus does not answer.
func (p prometheusServer) get(t *testing.T, path string, into any) bool {
	t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusBadRequest {
		t.Fatalf("Prometheus refuses %s", path)
	}
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// value runs a query and returns its largest number; false where it has none.
func (p prometheusServer) value(t *testing.T, query string) (largest float64, ok bool) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	p.get(t, "/api/v1/query?query="+url.QueryEscape(query), &answer)
	for _, r := range answer.Data.Result {
		if v, err := strconv.ParseFloat(r.Value[1].(string), 64); err == nil && !math.IsNaN(v) {
			largest, ok = max(largest, v), true
		}
	}
	return largest, ok
}

// largest is value over the time since begin.
func (p prometheusServer) largest(t *testing.T, query string, begin time.Time) (largest float64, ok bool) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	q := url.Values{"query": {query}, "start": {begin.Format(time.RFC3339)}, "end": {time.Now().Format(time.RFC3339)}, "step": {"1s"}}
	p.get(t, "/api/v1/query_range?"+q.Encode(), &answer)
	for _, r := range answer.Data.Result {
		for _, point := range r.Values {
			if v, err := strconv.ParseFloat(point[1].(string), 64); err == nil && !math.IsNaN(v) {
				largest, ok = max(largest, v), true
			}
		}
	}
	return largest, ok
}

// fired are the alerts that have fired so far.
func (p prometheusServer) fired(t *testing.T) (names []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	p.get(t, "/api/v1/query?query="+url.QueryEscape(`group by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))`), &answer)
	for _, r := range answer.Data.Result {
		names = append(names, r.Metric["alertname"])
	}
	slices.Sort(names)
	return names
}

// above returns a condition: the query has a number of at least n.
func (p prometheusServer) above(t *testing.T, query string, n float64) func() bool {
	return func() bool { v, ok := p.value(t, query); return ok && v >= n }
}

// await waits for a condition.
func (p prometheusServer) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(service.Limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-p.ended:
			t.Fatalf("%s: Prometheus has ended", what)
		case <-deadline:
			t.Fatalf("%s: not within %s; these alerts have fired: %v", what, service.Limit, p.fired(t))
		}
	}
}

// dashboardShows runs each query of the dashboard over the time since begin, as Grafana does:
// each has a number over zero, as there was a load of jobs and a fault of each kind.
func dashboardShows(t *testing.T, p prometheusServer, begin time.Time) {
	t.Helper()
	text, err := os.ReadFile(awstest.Module("docs/monitoring/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	values := []string{"$__rate_interval", "30s"}
	prices := map[string]string{}
	for _, v := range d.Templating.List {
		values = append(values, "$"+v.Name, v.Query)
		prices[v.Name] = v.Query
	}
	list := cost.Published()
	for name, want := range map[string]float64{"usd_per_job": list.Estimate(7, 7, 3, 0, true), "usd_per_worker_second": list.Estimate(0, 0, 0, 1, false)} {
		if got, err := strconv.ParseFloat(prices[name], 64); err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("the dashboard begins with %s = %s; the list price is %v", name, prices[name], want)
		}
	}
	queries := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			if strings.Contains(target.Expr, "engine") {
				continue // this worker has no engine
			}
			queries++
			query := strings.NewReplacer(values...).Replace(target.Expr)
			if largest, ok := p.largest(t, query, begin); !ok || largest <= 0 {
				t.Errorf("panel %q shows nothing of the load: %s has %v, %v", panel.Title, query, largest, ok)
			}
		}
	}
	if queries < 15 {
		t.Errorf("the dashboard has %d queries", queries)
	}
}
