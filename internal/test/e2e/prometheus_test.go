package e2e_test

import (
	"bytes"
	"encoding/json"
	"flag"
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

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/cost"
	"claimcheck.example/internal/pgstore/pgtest"
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

// firing are the alerts that fire.
func (p prometheusServer) firing(t *testing.T) (names []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	p.get(t, "/api/v1/alerts", &answer)
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var withPrometheus = flag.Bool("prometheus", false, "also the test that scrapes with a Prometheus, which takes a minute")

// TestDashboardAndAlerts has a Prometheus scrape a server and workers while jobs complete,
// fail and are refused: each query of the dashboard has an answer, and the faults fire
// their alerts.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	if !*withPrometheus {
		t.Skip("without -prometheus: it takes a minute")
	}
	program.Need(t, "prometheus")
	home := service.NewHome(t)
	home.Provision(t)
	var ports [3]int
	for i := range ports {
		var err error
		if ports[i], err = process.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	metrics := func(i int) string { return fmt.Sprint("METRICS_PORT=", ports[i]) }
	photo := apptest.Photograph(t)
	const accepted = 10 // as many as the limit of bytes allows
	server := home.Launch(t, "server", metrics(0), fmt.Sprintf("RATE_LIMIT=%d/day", accepted*len(photo)), "PROCESSOR=exec:cat")
	good := home.Launch(t, "worker", metrics(1), "PROCESSOR=exec:cat")
	p := startPrometheus(t, map[string][]int{"claimcheck-server": ports[:1], "claimcheck-worker": ports[1:]})
	await := func(what string, done func() bool) {
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
				t.Fatalf("%s: not within %s; firing: %v", what, service.Limit, p.firing(t))
			}
		}
	}
	above := func(query string, n float64) func() bool {
		return func() bool { v, ok := p.value(t, query); return ok && v >= n }
	}
	await("the first scrapes", above(`count(up{instance!~".+:`+strconv.Itoa(ports[2])+`"} == 1)`, 2))
	await("the counters at zero", above(`min(count_over_time(claimcheck_jobs_ended_total[5m])) and on() min(count_over_time(claimcheck_jobs_refused_total[5m]))`, 2))

	ct, body := apptest.Form(t, photo)
	submit := func(want int) string {
		t.Helper()
		a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
		if a.StatusCode != want {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		return a.Header.Get("Location")
	}
	apptest.Await(t, submit(http.StatusAccepted))
	await("the first job's scrapes", above(`min(count_over_time(claimcheck_job_queue_duration_seconds_count[5m])) and on() min(count_over_time(claimcheck_job_work_duration_seconds_count[5m]))`, 2))
	for range accepted/2 - 1 {
		apptest.Await(t, submit(http.StatusAccepted))
	}
	await("the completed jobs", above(`sum(increase(claimcheck_jobs_ended_total{outcome="completed"}[5m]))`, 1))
	dashboardAnswers(t, p, await)
	faults := []string{"ClaimcheckDeadLetters", "ClaimcheckJobsFail", "ClaimcheckTooManyRequests"}
	fire := func(name string) bool { return slices.Contains(p.firing(t), name) }
	if got := p.firing(t); !slices.Contains(got, "ClaimcheckDown") || slices.ContainsFunc(faults, fire) { // the second worker is down
		t.Errorf("before any fault these alerts fire: %v", got)
	}

	// The worker's program is replaced by one that fails; a client goes on past its limit;
	// a message became a dead letter.
	if err := good.Stop(service.Limit); err != nil {
		t.Error(err)
	}
	home.Launch(t, "worker", metrics(2), "PROCESSOR=exec:sh -c 'exit 1'", "MAX_ATTEMPTS=1")
	await("the second worker's counters at zero", above(fmt.Sprintf(`min(count_over_time(claimcheck_jobs_ended_total{instance="127.0.0.1:%d"}[5m]))`, ports[2]), 2))
	for range accepted / 2 {
		submit(http.StatusAccepted)
	}
	for range accepted {
		submit(http.StatusTooManyRequests)
	}
	pgtest.Exec(t, home.Database, `INSERT INTO claimcheck.messages (queue, body) VALUES ('jobs-dead', 'x')`)
	for _, name := range faults {
		await("the alert "+name, func() bool { return fire(name) })
	}
}

// dashboardAnswers runs each query of the dashboard.
func dashboardAnswers(t *testing.T, p prometheusServer, await func(string, func() bool)) {
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
	values := []string{"$__rate_interval", "10m"}
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
				continue // this worker runs a program
			}
			queries++
			query := strings.NewReplacer(values...).Replace(target.Expr)
			await(fmt.Sprintf("panel %q: an answer to %s", panel.Title, query), func() bool { _, ok := p.value(t, query); return ok })
		}
	}
	if queries < 15 {
		t.Errorf("the dashboard has %d queries", queries)
	}
}
