package prometheus_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"claimcheck.example/internal/telemetry"
	"claimcheck.example/internal/telemetry/prometheus"
	"claimcheck.example/internal/test/program"
)

// folder has the rules and the dashboard.
const folder = "../../../docs/monitoring/"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal([]byte(read(t, folder+"alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups[0].Rules
}

// scrape is a scrape of a process in which every event has happened.
func scrape(t *testing.T) string {
	t.Helper()
	p, err := prometheus.Open("claimcheck-test", "1")
	if err != nil {
		t.Fatal(err)
	}
	m, err := telemetry.NewMetrics(p.Meter)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	m.ZeroServer(ctx, "exhausted", "unavailable", "misconfigured", "unknown", "corrupt")
	m.ZeroWorker(ctx, "completed", "failed", "canceled")
	m.Ended(ctx, telemetry.End{Outcome: "completed"})
	m.Received(ctx, time.Second)
	m.Request(ctx, "POST", "/jobs", 500, time.Second)
	m.Request(ctx, "GET", "/ready", 503, time.Second)
	all := func(context.Context) (map[string]int64, error) {
		return map[string]int64{"visible": 1, "hidden": 1, "dead": 1}, nil
	}
	if err := m.ObserveQueues(map[string]func(context.Context) (map[string]int64, error){"jobs": all, "webhooks": all}); err != nil {
		t.Fatal(err)
	}
	if err := m.ObserveEngine(func() int64 { return 1 }); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestEveryNameIsInAScrape compares the rules, their tests and the dashboard with what the
// service serves: the metrics, their labels and the values of those.
func TestEveryNameIsInAScrape(t *testing.T) {
	t.Parallel()
	page := scrape(t)
	selector := regexp.MustCompile(`\b((?:claimcheck|http_server|process|go)_[a-z_]+[a-z])(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`([a-z_]+)(=~|!=|=)"([^"]*)"`)
	for _, name := range []string{"alerts.yaml", "alerts_test.yaml", "dashboard.json"} {
		text := strings.ReplaceAll(read(t, folder+name), `\"`, `"`)
		found := selector.FindAllStringSubmatch(text, -1)
		if len(found) < 10 {
			t.Errorf("%s names %d metrics", name, len(found))
		}
		for _, s := range found {
			if !strings.Contains(page, "\n"+s[1]+"{") && !strings.Contains(page, "\n"+s[1]+" ") {
				t.Errorf("%s: no scrape has %s", name, s[1])
			}
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				label, op, value := m[1], m[2], m[3]
				if label == "job" || label == "instance" {
					continue // Prometheus adds them
				}
				want := regexp.QuoteMeta(value)
				if op == "=~" {
					want = "(?:" + value + ")"
				}
				if strings.HasSuffix(name, "_test.yaml") && !slices.Contains([]string{"queue", "state", "outcome"}, label) {
					want = "[^\"]*" // of other requests and reasons than this scrape has
				}
				if !regexp.MustCompile(`(?m)^` + s[1] + `\{[^}]*\b` + label + `="` + want + `"`).MatchString(page) {
					t.Errorf("%s: no scrape has %s with %s%s%q", name, s[1], label, op, value)
				}
			}
		}
	}
}

// TestRunbookAndAlerts compares the runbook with the alerts: each alert leads to a section
// that names it, and each section of the runbook has an alert.
func TestRunbookAndAlerts(t *testing.T) {
	t.Parallel()
	_, runbook, _ := strings.Cut(read(t, "../../../docs/operations.md"), "\n## Runbook\n")
	runbook, _, _ = strings.Cut(runbook, "\n## ")
	sections := map[string]string{}
	for _, section := range strings.Split(runbook, "\n### ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		anchor := strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		sections[anchor] = text
		if !strings.Contains(text, "`Claimcheck") {
			t.Errorf("the section %q names no alert", title)
		}
	}
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		anchor, ok := strings.CutPrefix(a.Annotations["runbook"], "docs/operations.md#")
		if text := sections[anchor]; !ok || !strings.Contains(text, "`"+a.Alert+"`") {
			t.Errorf("%s leads to %q, which does not name it", a.Alert, a.Annotations["runbook"])
		}
	}
	for _, m := range regexp.MustCompile("`(Claimcheck[A-Z][A-Za-z]+)`").FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("the runbook names %s, and there is no such alert", m[1])
		}
	}
	tests := read(t, folder+"alerts_test.yaml")
	for _, name := range names {
		if n := strings.Count(tests, "alertname: "+name+"\n"); n < 2 {
			t.Errorf("%s has %d tests; want one in which it fires, and one in which it does not", name, n)
		}
	}
}

// TestRules runs promtool's checks and the tests of the rules.
func TestRules(t *testing.T) {
	t.Parallel()
	promtool := program.Need(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yaml"}, {"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestDashboardIsGrafanas holds what Grafana needs to import the file.
func TestDashboardIsGrafanas(t *testing.T) {
	t.Parallel()
	var d struct {
		Title         string `json:"title"`
		SchemaVersion int    `json:"schemaVersion"`
		Panels        []struct {
			ID         int                     `json:"id"`
			Datasource map[string]string       `json:"datasource"`
			Targets    []struct{ Expr string } `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(read(t, folder+"dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Datasource["uid"] != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d has the id of another, no data source of choice or no query", p.ID)
		}
		ids[p.ID] = true
	}
	if d.Title == "" || d.SchemaVersion == 0 || len(ids) < 10 {
		t.Errorf("the dashboard %q of schema %d has %d panels", d.Title, d.SchemaVersion, len(ids))
	}
}

// TestKEDAFindsTheDepth looks for the values that the manifest for KEDA names in a scrape.
func TestKEDAFindsTheDepth(t *testing.T) {
	t.Parallel()
	page := scrape(t)
	values := regexp.MustCompile(`(?m)^ +valueLocation: (.+)$`).FindAllStringSubmatch(read(t, "../../../docs/kubernetes/keda-metrics.yaml"), -1)
	if len(values) != 2 {
		t.Errorf("the manifest names %d values", len(values))
	}
	for _, v := range values {
		if !strings.Contains(page, "\n"+v[1]+" ") {
			t.Errorf("no scrape has %s", v[1])
		}
	}
}
