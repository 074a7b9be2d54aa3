package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/service"
)

// TestSecondHome runs a job on a database and a folder: `claimcheck provision`, a server
// and a worker, as processes.
func TestSecondHome(t *testing.T) {
	t.Parallel()
	home := service.NewHome(t)
	if out := home.Provision(t); !strings.Contains(out, "✓ database") || !strings.Contains(out, "✓ folder") {
		t.Errorf("provision says: %s", out)
	}
	if out := home.Provision(t); !strings.Contains(out, "nothing to change") {
		t.Errorf("provision, once more, says: %s", out)
	}
	metrics := map[string]string{}
	for _, name := range []string{"server", "worker"} {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		metrics[name] = strconv.Itoa(port)
	}
	server := home.Launch(t, "server", "METRICS_PORT="+metrics["server"])
	worker := home.Launch(t, "worker", "METRICS_PORT="+metrics["worker"])
	ct, body := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
	}
	end := apptest.Await(t, a.Header.Get("Location"))
	if end.StatusCode != http.StatusCreated {
		t.Fatalf("the job ends as %s: %s; worker: %s", end.Status, end.Bytes, worker.Output())
	}
	output := apptest.Get(t, end.Header.Get("Location"))
	if output.StatusCode != http.StatusOK || len(output.Bytes) == 0 {
		t.Errorf("output: %s, %d bytes", output.Status, len(output.Bytes))
	}
	for name, want := range map[string][]string{
		"server": {"\nclaimcheck_jobs_accepted_total 1\n", "\nclaimcheck_images_received_bytes_total ", `http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="202",http_route="/jobs"} 1`, "\nclaimcheck_queue_messages{queue=\"jobs\",state=\"dead\"} 0\n", "\ntarget_info{", "\ngo_goroutines "},
		"worker": {"\nclaimcheck_jobs_ended_total{outcome=\"completed\"} 1\n", "\nclaimcheck_job_work_duration_seconds_count{outcome=\"completed\"} 1\n", "\nclaimcheck_queue_age_seconds "},
	} {
		deadline := time.Now().Add(service.Limit)
		for _, line := range want { // a process counts a job or a request a moment after its client knows the end
			for scrape := (apptest.Answer{}); !bytes.Contains(scrape.Bytes, []byte(line)); time.Sleep(10 * time.Millisecond) {
				scrape = apptest.Get(t, "http://127.0.0.1:"+metrics[name]+"/metrics")
				if time.Now().After(deadline) {
					t.Fatalf("the metrics of the %s have no %q: %s", name, line, scrape.Bytes)
				}
			}
		}
	}
	for _, s := range []service.Service{worker, server} {
		if err := s.Stop(service.Limit); err != nil {
			t.Errorf("%v: %s", err, s.Output())
		}
	}
	server = home.Launch(t, "server")
	location := server.URL + a.Header.Get("Location")[strings.Index(a.Header.Get("Location"), "/jobs/"):]
	if again := apptest.Get(t, location); again.StatusCode != http.StatusCreated {
		t.Errorf("after a restart the job is %s: %s", again.Status, again.Bytes)
	}
}

// TestKilledWorkerOnDatabase kills the worker during its job; another completes the job.
func TestKilledWorkerOnDatabase(t *testing.T) {
	t.Parallel()
	home := service.NewHome(t)
	home.Provision(t)
	server := home.Launch(t, "server")
	gate := filepath.Join(t.TempDir(), "gate")
	const program = `exec:sh -c 'echo x >>"$GATE"; [ $(wc -l <"$GATE") -gt 1 ] && cat || sleep 600'`
	vars := []string{"PROCESSOR=" + program, "PROCESSOR_ENV=GATE", "GATE=" + gate, "LEASE=3s"}
	first := home.Launch(t, "worker", vars...)
	ct, body := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for { // until the first attempt has its line in the gate: an empty one makes the second attempt the first
		if info, err := os.Stat(gate); err == nil && info.Size() > 0 {
			break
		}
		select {
		case <-tick.C:
		case <-first.Done():
			t.Fatalf("the worker ends: %s", first.Output())
		}
	}
	if err := first.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	home.Launch(t, "worker", vars...)
	end := apptest.Await(t, a.Header.Get("Location"))
	if end.StatusCode != http.StatusCreated || end.JSON(t)["attempts"] != float64(2) {
		t.Errorf("the job ends as %s: %s", end.Status, end.Bytes)
	}
}

// onDatabase starts a system on a database and a folder.
func onDatabase(t *testing.T, vars ...string) (*apptest.System, service.Home) {
	t.Helper()
	home := service.NewHome(t)
	if _, _, err := pgstore.Provision(t.Context(), home.Database); err != nil {
		t.Fatal(err)
	}
	if _, err := dirstore.Provision(strings.TrimPrefix(home.Objects, "file://")); err != nil {
		t.Fatal(err)
	}
	return apptest.Start(t, append([]string{"DOCUMENTS=" + home.Database, "QUEUE=" + home.Database, "OBJECTS=" + home.Objects}, vars...)...), home
}

func TestLifeOnDatabase(t *testing.T) {
	t.Parallel()
	s, home := onDatabase(t)
	photo := apptest.Photograph(t)
	post := func(header ...string) apptest.Answer {
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(photo), append([]string{"Content-Type", "image/jpeg"}, header...)...)
	}
	pending := post("Idempotency-Key", "one")
	location := pending.Header.Get("Location")
	if a := apptest.Get(t, location); a.StatusCode != http.StatusOK || a.JSON(t)["status"] != "pending" {
		t.Errorf("pending: %s: %s", a.Status, a.Bytes)
	}
	if a := apptest.Get(t, location+"/output"); a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != location {
		t.Errorf("output while pending: %s: %s", a.Status, a.Bytes)
	}
	if a := post("Idempotency-Key", "one"); a.StatusCode != http.StatusAccepted || a.Header.Get("Location") != location {
		t.Errorf("repeat: %s: %s", a.Status, a.Bytes)
	}
	stop := s.StartWorker(t)
	end := apptest.Await(t, location)
	if end.StatusCode != http.StatusCreated {
		t.Fatalf("end: %s: %s", end.Status, end.Bytes)
	}
	output := end.Header.Get("Location")
	whole := apptest.Get(t, output)
	if part := apptest.Get(t, output, "Range", "bytes=2-5"); part.StatusCode != http.StatusPartialContent || !bytes.Equal(part.Bytes, whole.Bytes[2:6]) {
		t.Errorf("range: %s, %d bytes", part.Status, len(part.Bytes))
	}
	if a := apptest.Get(t, output, "If-None-Match", whole.Header.Get("ETag")); a.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged output: %s", a.Status)
	}
	if a := apptest.Get(t, output, "Range", "bytes=999999999-"); a.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("range outside: %s", a.Status)
	}
	broken := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(photo[:len(photo)/2]), "Content-Type", "image/jpeg")
	if failed := apptest.Await(t, broken.Header.Get("Location")); failed.StatusCode != http.StatusOK || failed.JSON(t)["status"] != "failed" {
		t.Errorf("half an image: %s: %s", failed.Status, failed.Bytes)
	}
	if a := apptest.Get(t, s.URL+"/usage"); a.StatusCode != http.StatusOK || a.JSON(t)["total"].(map[string]any)["jobs"] != float64(2) {
		t.Errorf("usage: %s: %s", a.Status, a.Bytes)
	}
	if a := post("Prefer", "wait=30"); a.StatusCode != http.StatusCreated {
		t.Errorf("a submit that waits: %s: %s", a.Status, a.Bytes)
	}
	stop()
	if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %s: %s", a.Status, a.Bytes)
	}
	id := location[strings.LastIndexByte(location, '/')+1:]
	for _, url := range []string{location, output} {
		if a := apptest.Get(t, url); a.StatusCode != http.StatusNotFound {
			t.Errorf("deleted, %s: %s", url, a.Status)
		}
	}
	if left, err := filepath.Glob(strings.TrimPrefix(home.Objects, "file://") + "/*/*/" + id + "*"); err != nil || len(left) > 0 {
		t.Errorf("files of the deleted job: %q, %v", left, err)
	}
}

// TestDirectUploadToFolder uploads to the service's own URL.
func TestDirectUploadToFolder(t *testing.T) {
	t.Parallel()
	s, _ := onDatabase(t)
	s.StartWorker(t)
	photo := apptest.Photograph(t)
	announce := `{"content_type": "image/jpeg", "size_bytes": ` + strconv.Itoa(len(photo)) + `}`
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(announce), "Content-Type", "application/json")
	location := a.Header.Get("Location")
	upload, _ := a.JSON(t)["upload"].(map[string]any)
	if a.StatusCode != http.StatusAccepted || upload == nil || upload["method"] != "PUT" {
		t.Fatalf("announcement: %s: %s", a.Status, a.Bytes)
	}
	url, _ := upload["url"].(string)
	if !strings.HasPrefix(url, location+"/upload?") {
		t.Fatalf("the upload is to %s, want a URL of the service", url)
	}
	put := func(to, contentType string, body []byte) int {
		return apptest.Do(t, http.MethodPut, to, bytes.NewReader(body), "Content-Type", contentType).StatusCode
	}
	if a := apptest.Do(t, http.MethodPost, location+"/commit", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("commit before the upload: %s", a.Status)
	}
	for name, status := range map[string]int{
		"another type": put(url, "image/png", photo), "another size": put(url, "image/jpeg", photo[1:]),
		"no signature": put(location+"/upload", "image/jpeg", photo),
		"another job":  put(strings.Replace(url, "/jobs/0", "/jobs/1", 1), "image/jpeg", photo),
	} {
		if status != http.StatusForbidden {
			t.Errorf("an upload with %s gets %d, want 403", name, status)
		}
	}
	if status := put(url, "image/jpeg", photo); status != http.StatusOK {
		t.Fatalf("upload: %d", status)
	}
	if status := put(url, "image/jpeg", photo); status != http.StatusPreconditionFailed {
		t.Errorf("a second upload gets %d, want 412 as S3 answers", status)
	}
	if a := apptest.Do(t, http.MethodPost, location+"/commit", nil); a.StatusCode != http.StatusAccepted {
		t.Errorf("commit: %s: %s", a.Status, a.Bytes)
	}
	if end := apptest.Await(t, location); end.StatusCode != http.StatusCreated {
		t.Errorf("end: %s: %s", end.Status, end.Bytes)
	}
}

// TestReadyWithoutSchema starts before `claimcheck provision`.
func TestReadyWithoutSchema(t *testing.T) {
	t.Parallel()
	home := service.NewHome(t)
	s := apptest.Start(t, "DOCUMENTS="+home.Database, "QUEUE="+home.Database, "OBJECTS="+home.Objects)
	a := apptest.Get(t, s.URL+"/ready")
	if a.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(a.Bytes, []byte("run claimcheck provision")) {
		t.Errorf("%s: %s", a.Status, a.Bytes)
	}
	if a := s.Submit(t, apptest.Photograph(t)); a.StatusCode != http.StatusInternalServerError || a.Header.Get("Location") == "" {
		t.Errorf("submit: %s: %s", a.Status, a.Bytes)
	}
	home.Provision(t)
	if a := s.Submit(t, apptest.Photograph(t)); a.StatusCode != http.StatusAccepted {
		t.Errorf("submit, provisioned meanwhile: %s: %s", a.Status, a.Bytes)
	}
}

// TestLocalOnDatabase runs `claimcheck local --database`. It leaves another database in
// the environment alone, with the flag or without.
func TestLocalOnDatabase(t *testing.T) {
	t.Parallel()
	home, other := service.NewHome(t), service.NewHome(t)
	for name, flags := range map[string][]string{"with": {"--database=" + home.Database}, "without": nil} {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		l := service.StartLocal(t, append(service.LocalFlags(t), flags...), append(other.Env(), fmt.Sprint("METRICS_PORT=", port))...)
		scrape := apptest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		for _, line := range []string{"claimcheck_jobs_accepted_total 0", `claimcheck_jobs_refused_total{reason="exhausted"} 0`, `claimcheck_jobs_ended_total{outcome="completed"} 0`, "claimcheck_worker_abandoned_total 0"} {
			if !bytes.Contains(scrape.Bytes, []byte("\n"+line+"\n")) {
				t.Errorf("%s a database: the metrics begin without %q: %s", name, line, scrape.Bytes)
			}
		}
		a := l.Submit(t, apptest.Photograph(t))
		if end := apptest.Await(t, a.Header.Get("Location")); end.StatusCode != http.StatusCreated {
			t.Errorf("%s a database: the job ends as %s: %s", name, end.Status, end.Bytes)
		}
		if output := apptest.Get(t, a.Header.Get("Location")+"/output"); output.StatusCode != http.StatusOK {
			t.Errorf("%s a database: the output is %s", name, output.Status)
		}
		if err := l.Stop(service.Limit); err != nil {
			t.Errorf("%s a database: %v: %s", name, err, l.Output())
		}
	}
	for name, want := range map[string]int{home.Database: pgstore.SchemaVersion, other.Database: 0} {
		if got, err := pgstore.Version(t.Context(), name); err != nil || got != want {
			t.Errorf("%s has version %d of the schema, %v; want %d", name, got, err, want)
		}
	}
}
