package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// TestScheduledWorker starts workers as a schedule does, with EXIT_WHEN_IDLE. On a full queue a
// worker completes all jobs, on an empty one it waits for that time, and both end with exit
// code 0.
func TestScheduledWorker(t *testing.T) {
	t.Parallel()
	type launch func(t *testing.T, name string, vars ...string) service.Service
	for name, start := range map[string]func(*testing.T) launch{
		"S3 and SQS": func(t *testing.T) launch {
			env := awstest.Start(t)
			return func(t *testing.T, name string, vars ...string) service.Service {
				return service.Open(t, env, name, vars...)
			}
		},
		"PostgreSQL": func(t *testing.T) launch {
			home := service.NewHome(t)
			home.Provision(t)
			return func(t *testing.T, name string, vars ...string) service.Service {
				return home.Launch(t, name, append([]string{"IMAGING=embedded"}, vars...)...)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			launch := start(t)
			server := launch(t, "server")
			const idle = time.Second
			work := func(queue string) {
				t.Helper()
				begin := time.Now()
				worker := launch(t, "worker", "EXIT_WHEN_IDLE="+idle.String(), "LOG_FORMAT=json")
				select {
				case <-worker.Done():
				case <-time.After(service.Limit):
					t.Fatalf("on %s queue the worker does not end: %s", queue, worker.Output())
				}
				took := time.Since(begin)
				if err := worker.Wait(); err != nil || took < idle || !strings.Contains(worker.Output(), "no message came: the worker ends") {
					t.Errorf("on %s queue the worker ends after %s with %v: %s", queue, took, err, worker.Output())
				}
				t.Logf("on %s queue the worker ends after %s", queue, took.Round(time.Millisecond))
			}
			var locations []string
			for n := range 12 { // more than one receive brings
				ct, body := apptest.Form(t, picture(t, n))
				a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
				if a.StatusCode != http.StatusAccepted {
					t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
				}
				locations = append(locations, a.Header.Get("Location"))
			}
			work("a full")
			for _, location := range locations {
				if end := apptest.Get(t, location); end.StatusCode != http.StatusCreated {
					t.Errorf("the worker leaves a job as %s: %s", end.Status, end.Bytes)
				}
			}
			work("an empty")
		})
	}
}
