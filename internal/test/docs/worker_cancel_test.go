package docs_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/test/service"

	"claimcheck.example/internal/app/apptest"
)

// TestPythonWorkerStopsCanceledJobs cancels jobs whose processing takes an hour, by their
// owner and by Cancel-After: the worker of docs/worker.md stops it, bills its work and
// goes on to the next job.
func TestPythonWorkerStopsCanceledJobs(t *testing.T) {
	t.Parallel()
	interpreter, file := python(t), pythonWorker(t)
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	slow := bytes.Replace(code, []byte("    picture = "), []byte("    __import__('time').sleep(3600)\n    picture = "), 1)
	if bytes.Equal(slow, code) {
		t.Fatal("the example has no line to be slowed down")
	}
	if err := os.WriteFile(file, slow, 0o600); err != nil {
		t.Fatal(err)
	}
	l := service.StartLocal(t, append(service.LocalFlags(t), "--no-worker"))
	environ := exports(l.Exports())
	proxy := newBucketProxy(t, environ["AWS_ENDPOINT_URL_S3"])
	submit := func(header ...string) (url string) {
		ct, body := apptest.Form(t, apptest.Photograph(t))
		a := apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(body), append(header, "Content-Type", ct)...)
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		return a.JSON(t)["location"].(string)
	}
	byOwner := submit()
	startPython(t, interpreter, file, environ, proxy.URL)
	awaitStatus(t, byOwner, "processing")
	if a := apptest.Do(t, http.MethodPost, byOwner+"/cancel", nil); a.StatusCode != http.StatusAccepted || a.JSON(t)["status"] != "canceled" {
		t.Errorf("cancel: %s: %s", a.Status, a.Bytes)
	}
	byTime := submit("Cancel-After", "2")
	awaitStatus(t, byTime, "canceled")
	environ.awaitEmptyQueue(t)

	for url, message := range map[string]string{byOwner: "canceled by its owner", byTime: "its Cancel-After of 2 s was over"} {
		if got := apptest.Get(t, url).JSON(t); got["status"] != "canceled" || got["message"] != message {
			t.Errorf("the status is %v", got)
		}
	}
	bills := environ.records(t)
	billed := false
	for key, bill := range bills {
		if bill.Outcome != job.StatusCanceled || bill.Attempts != 1 || bill.ProcessingSeconds <= 0 {
			t.Errorf("%s: %+v", key, bill)
		}
		billed = billed || strings.HasSuffix(byOwner, string(bill.JobID))
	}
	if !billed {
		t.Errorf("the job that its owner canceled is not billed: %v", bills)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	for _, fault := range proxy.faults {
		t.Error(fault)
	}
}

// awaitStatus waits until the job has this status.
func awaitStatus(t *testing.T, url, status string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for got := ""; got != status; <-tick.C {
		if t.Context().Err() != nil {
			t.Fatalf("the job is %s, and does not become %s", got, status)
		}
		got, _ = apptest.Get(t, url).JSON(t)["status"].(string)
		if (got == "completed" || got == "failed" || got == "canceled") && got != status {
			t.Fatalf("the job is %s instead of %s", got, status)
		}
	}
}
