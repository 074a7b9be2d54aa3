package e2e_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/processor/command/sandbox/supervisor"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

var withPrometheus = flag.Bool("prometheus", false, "also the test that scrapes with a Prometheus, which takes over a minute")

// TestDashboardAndAlerts has a Prometheus scrape a server and a worker, and brings about each
// fault of the runbook: each alert fires after its fault, and not before. A load of jobs
// between them is on each panel of the dashboard.
//
// Two things differ from the rules in use. The pause before an alert fires (for:) is left
// out, and the messages of some jobs are made 20 minutes older in the database.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	if !*withPrometheus {
		t.Skip("without -prometheus: it takes over a minute")
	}
	program.Need(t, "prometheus")
	const role = "claimcheck_alerts"
	home := service.NewHome(t)
	home.Provision(t)
	pgtest.Exec(t, home.Database, "CREATE ROLE "+role+" SUPERUSER LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, home.Database, "DROP ROLE "+role) })
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = process.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	var broken atomic.Bool
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(body)
	}))
	t.Cleanup(model.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // it hangs
	}))
	t.Cleanup(receiver.Close)
	vars := []string{"PROCESSOR=" + model.URL, "WEBHOOK_KEY=" + webhookKey, "OUTBOUND_ALLOW=127.0.0.1"}
	launchServer := func(more ...string) service.Service {
		t.Helper()
		return home.Launch(t, "server", append(append([]string{fmt.Sprint("METRICS_PORT=", ports[0]), "DATABASE_URL=" + pgtest.As(t, home.Database, role)}, vars...), more...)...)
	}
	launchWorker := func(more ...string) service.Service {
		t.Helper()
		return home.Launch(t, "worker", append(append([]string{fmt.Sprint("METRICS_PORT=", ports[1]), "WEBHOOK_CONCURRENCY=1"}, vars...), more...)...)
	}
	server, worker := launchServer(), launchWorker()
	begin := time.Now()
	p := startPrometheus(t, map[string][]int{"claimcheck-server": ports[:1], "claimcheck-worker": ports[1:]})
	stop := func(s service.Service) {
		t.Helper()
		if err := s.Stop(service.Limit); err != nil {
			t.Errorf("%v: %s", err, s.Output())
		}
	}
	submit := func(want int, fields ...string) (location string) {
		t.Helper()
		ct, body := apptest.Form(t, picture(t, 1), fields...)
		a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
		if a.StatusCode != want {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		return a.Header.Get("Location")
	}
	// fault brings a fault about until the alerts that it causes have fired.
	fault := func(what string, bring func(), again func(), alerts ...string) {
		t.Helper()
		for _, name := range p.fired(t) {
			if slices.Contains(alerts, name) {
				t.Errorf("the alert %s fires before this fault: %s", name, what)
			}
		}
		begin := time.Now()
		bring()
		for _, name := range alerts {
			p.await(t, what+": the alert "+name, func() bool {
				if again != nil {
					again()
				}
				return slices.Contains(p.fired(t), name)
			})
		}
		t.Logf("%s: %v after %s", what, alerts, time.Since(begin).Round(time.Second))
	}
	// started waits until Prometheus has seen the worker's counters at zero, twice.
	starts := 0
	started := func() {
		t.Helper()
		starts++
		p.await(t, "the worker's start", p.above(t, fmt.Sprintf(`count(count_over_time(claimcheck_jobs_ended_total[15s]) >= 2) and on() changes(process_start_time_seconds{job="claimcheck-worker"}[1h]) >= %d`, starts-1), 1))
	}

	p.await(t, "the first scrapes", p.above(t, `count(up == 1)`, 2))
	p.await(t, "the server's counters at zero", p.above(t, `min(count_over_time(claimcheck_jobs_refused_total[5m]))`, 2))
	started()
	if names := p.fired(t); len(names) > 0 {
		t.Errorf("before any fault these alerts fire: %v", names)
	}

	fault("the worker is gone", func() { stop(worker) }, nil, "ClaimcheckDown")
	var damaged string
	fault("jobs wait for a worker", func() {
		damaged = submit(http.StatusAccepted) // the first that the worker receives
		for range 10 {
			submit(http.StatusAccepted)
		}
	}, nil, "ClaimcheckJobsWait")
	fault("a document is damaged", func() {
		id := damaged[len(damaged)-len("01a2187f-15f3-7cc2-a6f9-cca06b468c76"):]
		pgtest.Exec(t, home.Database, `UPDATE claimcheck.jobs SET document = 'damaged' WHERE id = $1`, id)
		pgtest.Exec(t, home.Database, `UPDATE claimcheck.messages SET received = 100 WHERE body LIKE '%'||$1||'%'`, id) // a worker received it as often
	}, func() {
		if a := apptest.Get(t, damaged); a.StatusCode != http.StatusInternalServerError {
			t.Fatalf("the damaged document: %s: %s", a.Status, a.Bytes)
		}
	}, "ClaimcheckServerErrors")
	pgtest.Exec(t, home.Database, `UPDATE claimcheck.messages SET sent_at = sent_at - interval '20 minutes'`)
	var stopped int
	fault("a worker comes late, for the damaged document too, and its processor does not return", func() {
		worker = launchWorker("PROCESSOR=exec:sleep 1000", "PROCESS_TIMEOUT=5s", "CONCURRENCY=1")
		p.await(t, "a run whose supervisor stops", func() bool {
			stopped = stopSupervisor(t, worker.Process)
			return stopped != 0
		})
		t.Cleanup(func() { _ = syscall.Kill(stopped, syscall.SIGKILL) })
		started()
	}, nil, "ClaimcheckQueueOld", "ClaimcheckDeadLetters", "ClaimcheckProcessorHangs")
	if err := syscall.Kill(stopped, syscall.SIGKILL); err != nil { // the run ends, and the worker cleans up
		t.Fatal(err)
	}
	stop(worker)

	worker = launchWorker("CONCURRENCY=8")
	started()
	const load = 110
	completed := p.above(t, fmt.Sprintf(`sum(max_over_time(claimcheck_jobs_ended_total{outcome="completed"}[1h])) >= %d`, load), 1)
	fault("a receiver of webhooks hangs", func() {
		for range load {
			submit(http.StatusAccepted, "webhook", receiver.URL)
		}
		p.await(t, "the end of the jobs", completed)
	}, nil, "ClaimcheckWebhooksWait")
	fault("the worker is killed", func() {
		worker.Kill()
		worker = launchWorker("CONCURRENCY=8", "MAX_ATTEMPTS=1")
		started()
	}, nil, "ClaimcheckWorkerRestarts")
	fault("the model is broken", func() {
		broken.Store(true)
		for range load / 3 {
			submit(http.StatusAccepted)
		}
	}, nil, "ClaimcheckJobsFail")
	fault("the database refuses the role", func() {
		pgtest.Exec(t, home.Database, "ALTER ROLE "+role+" NOLOGIN")
		pgtest.Exec(t, home.Database, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = $1", role)
	}, func() { submit(http.StatusInternalServerError) }, "ClaimcheckSubmitsRefused")
	pgtest.Exec(t, home.Database, "ALTER ROLE "+role+" LOGIN")
	stop(server)
	server = launchServer("RATE_LIMIT=1/minute")
	p.await(t, "the second server's counters at zero", p.above(t, `min(count_over_time(claimcheck_jobs_refused_total[5s])) and on() changes(process_start_time_seconds{job="claimcheck-server"}[1h]) == 1`, 2))
	submit(http.StatusAccepted)
	fault("a client goes on past its limit", func() {}, func() { submit(http.StatusTooManyRequests) }, "ClaimcheckTooManyRequests")

	rules, err := os.ReadFile(awstest.Module("docs/monitoring/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	fired := p.fired(t)
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(rules, -1) {
		if !slices.Contains(fired, string(m[1])) {
			t.Errorf("no fault of this test fires the alert %s", m[1])
		}
	}
	dashboardShows(t, p, begin)
}

// stopSupervisor stops the process that supervises the present run of a worker's program, by
// SIGSTOP, so that the run does not end. It returns zero where there is no run, or it has just
// ended.
func stopSupervisor(t *testing.T, worker *process.Process) (pid int) {
	t.Helper()
	children, err := worker.Children()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range children {
		proc := fmt.Sprintf("/proc/%d/", pid)
		line, err := os.ReadFile(proc + "cmdline")
		if err != nil || !bytes.HasPrefix(line, []byte(supervisor.Name+"\x00")) || syscall.Kill(pid, syscall.SIGSTOP) != nil {
			continue
		}
		for range 100 { // it stops a moment later, if it has not ended
			stat, err := os.ReadFile(proc + "stat")
			if _, state, _ := bytes.Cut(stat, []byte(") ")); err != nil || bytes.HasPrefix(state, []byte("Z")) {
				break
			} else if bytes.HasPrefix(state, []byte("T")) {
				return pid
			}
			runtime.Gosched()
		}
	}
	return 0
}
