package e2e_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// TestCancelEndsTheWholeFamily cancels jobs whose command has started a daemon, on both pairs
// of stores: by their owner, and by Cancel-After. No process of theirs is left, and the
// worker goes on.
func TestCancelEndsTheWholeFamily(t *testing.T) {
	t.Parallel()
	t.Run("S3 and SQS", func(t *testing.T) {
		t.Parallel()
		env := awstest.Start(t)
		cancelFamilies(t, func(name string, vars ...string) service.Service { return service.Open(t, env, name, vars...) })
	})
	t.Run("PostgreSQL and a folder", func(t *testing.T) {
		t.Parallel()
		home := service.NewHome(t)
		home.Provision(t)
		cancelFamilies(t, func(name string, vars ...string) service.Service { return home.Launch(t, name, vars...) })
	})
}

func cancelFamilies(t *testing.T, launch func(name string, vars ...string) service.Service) {
	server := launch("server")
	mark := fmt.Sprintf("36000.%09d", rand.IntN(1e9)) // seconds of sleep, which no other process has
	command := fmt.Sprintf("PROCESSOR=exec:sh -c '(setsid sleep %s &) ; sleep %s ; cat'", mark, mark)
	worker := launch("worker", command, "LEASE=15s", "CONCURRENCY=2")
	submit := func(header ...string) (location string) {
		ct, body := apptest.Form(t, apptest.Photograph(t))
		a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), append(header, "Content-Type", ct)...)
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		return a.JSON(t)["location"].(string)
	}
	byOwner := submit()
	until(t, "the daemon of the command runs", func() bool { return running(t, "sleep\x00"+mark) >= 2 })
	if a := apptest.Do(t, http.MethodPost, byOwner+"/cancel", nil); a.StatusCode != http.StatusAccepted {
		t.Fatalf("cancel: %s: %s", a.Status, a.Bytes)
	}
	begin := time.Now()
	until(t, "the processes end", func() bool { return running(t, mark) == 0 })
	t.Logf("the processes were gone %s after the cancellation; a third of the lease is 5 s", time.Since(begin).Round(time.Millisecond))

	byTime := submit("Cancel-After", "2")
	until(t, "the job is canceled", func() bool { return apptest.Get(t, byTime).JSON(t)["status"] == "canceled" })
	until(t, "its processes end", func() bool { return running(t, mark) == 0 })
	if got := apptest.Get(t, byTime).JSON(t)["message"]; got != "its Cancel-After of 2 s was over" {
		t.Errorf("the message is %q", got)
	}
	if err := worker.Stop(service.Limit); err != nil {
		t.Errorf("the worker ends with %v: %s", err, worker.Output())
	}
}

// until waits for a state.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond) // a look at all processes takes a while
	defer tick.Stop()
	for deadline := time.Now().Add(service.Limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// running counts the processes of this machine whose command line has the text.
func running(t *testing.T, text string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), text) {
			n++
		}
	}
	return n
}
