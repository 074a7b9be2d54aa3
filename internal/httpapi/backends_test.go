package httpapi_test

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// TestEachCallFailsInEachWay fails each call of a submit, a status and an output in each
// way in which S3 and SQS fail, for as long as it lasts. Answers are good or an honest
// 500, in bounded time, and afterwards the same requests succeed.
func TestEachCallFailsInEachWay(t *testing.T) {
	t.Parallel()
	calls := map[string]func(apptest.Request) bool{
		"input stored":    func(r apptest.Request) bool { return r.Method == http.MethodPut && strings.HasPrefix(r.Key, "input/") },
		"document stored": func(r apptest.Request) bool { return r.Method == http.MethodPut && strings.HasPrefix(r.Key, "jobs/") },
		"message sent":    func(r apptest.Request) bool { return r.Method == "SendMessage" },
		"document read":   func(r apptest.Request) bool { return r.Method == http.MethodGet && strings.HasPrefix(r.Key, "jobs/") },
		"output read":     func(r apptest.Request) bool { return r.Method == http.MethodGet && strings.HasPrefix(r.Key, "output/") },
		"S3 at all":       func(r apptest.Request) bool { return !r.SQS },
		"both at all":     func(apptest.Request) bool { return true },
	}
	faults := map[string]apptest.Fault{
		"500": apptest.Refuse, "503 SlowDown": apptest.SlowDown, "403": apptest.Deny, "403 for the clock": apptest.Skewed, "answers lost": apptest.LoseAnswer,
	}
	var cases sync.WaitGroup // all at once, whatever -parallel says: they wait most of the time
	defer cases.Wait()
	for call, hit := range calls {
		for name, fault := range faults {
			cases.Go(func() {
				t.Run(call+": "+name, func(t *testing.T) { failCall(t, hit, fault) })
			})
		}
	}
}

func failCall(t *testing.T, hit func(apptest.Request) bool, fault apptest.Fault) {
	s, done := completed(t)
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if hit(r) {
			return fault
		}
		return apptest.Pass
	})
	begin := time.Now()
	var submitted, status, output apptest.Answer
	var asked sync.WaitGroup
	asked.Go(func() {
		submitted = apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)), "Content-Type", "image/png")
	})
	asked.Go(func() { status = apptest.Get(t, done) })
	asked.Go(func() { output = apptest.Get(t, done+"/output") })
	asked.Wait()
	if t.Failed() {
		return // not every request has an answer
	}
	for name, a := range map[string]apptest.Answer{"submit": submitted, "status": status, "output": output} {
		switch a.StatusCode {
		case http.StatusOK, http.StatusCreated, http.StatusAccepted:
		case http.StatusInternalServerError:
			if a.JSON(t)["detail"] == "" || name == "submit" && a.Header.Get("Location") == "" {
				t.Errorf("%s: %s", name, a.Bytes)
			}
			if !soon(a.Header.Get("Retry-After"), a.JSON(t)["type"] == "urn:claimcheck:problem:unavailable") {
				t.Errorf("%s: Retry-After: %q on %s", name, a.Header.Get("Retry-After"), a.Bytes)
			}
		default:
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
		}
	}
	if took := time.Since(begin); took > 100*time.Second {
		t.Errorf("three answers took %s", took)
	}
	s.Backend.Fail(nil)
	if a := apptest.Get(t, done+"/output"); a.StatusCode != http.StatusOK {
		t.Errorf("output afterwards: %s: %s", a.Status, a.Bytes)
	}
	after := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)), "Content-Type", "image/png")
	if after.StatusCode != http.StatusAccepted {
		t.Fatalf("submit afterwards: %s: %s", after.Status, after.Bytes)
	}
	if a := apptest.Await(t, after.Header.Get("Location")); a.StatusCode != http.StatusCreated {
		t.Errorf("what was submitted afterwards: %s: %s", a.Status, a.Bytes)
	}
	if submitted.StatusCode == http.StatusAccepted {
		a := apptest.Await(t, submitted.Header.Get("Location")) // the fault may have cost it a lease
		if a.StatusCode != http.StatusCreated {
			t.Errorf("what was accepted under the fault: %s: %s", a.Status, a.Bytes)
		}
	}
}

// soon reports whether a Retry-After is of 2 to 5 seconds, or missing where it is of no use.
func soon(retryAfter string, use bool) bool {
	n, err := strconv.Atoi(retryAfter)
	return use && err == nil && 2 <= n && n <= 5 || !use && retryAfter == ""
}
