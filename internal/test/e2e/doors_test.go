// Package e2e drives the built commands and the API over HTTP, against S3 and SQS servers
// on the wire.
package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/service"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// TestDoorsCarryTheSameJob runs a whole job through each process that serves the API.
func TestDoorsCarryTheSameJob(t *testing.T) {
	t.Parallel()
	h2c := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
	h2c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2c.CloseIdleConnections)
	tests := map[string]struct {
		command string
		client  *http.Client
		vars    []string
	}{
		"cmd/server over HTTP/1":              {"server", http.DefaultClient, nil},
		"cmd/server over h2c":                 {"server", h2c, nil},
		"cmd/function":                        {"function", http.DefaultClient, nil},
		"cmd/function behind a path's prefix": {"function", http.DefaultClient, []string{"PUBLIC_URL=https://region-project.cloudfunctions.net/Claimcheck"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			d := service.Open(t, env, tt.command, tt.vars...)
			service.Open(t, env, "worker")
			ct, body := apptest.Form(t, apptest.Photograph(t))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+"/jobs", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", ct)
			req.Header.Set("Prefer", "wait=30")
			resp, err := tt.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusCreated || resp.Header.Get("Preference-Applied") == "" {
				t.Fatalf("answer is %s: %s (%v)", resp.Status, b, err)
			}
			location := resp.Header.Get("Location")
			for _, v := range tt.vars {
				public := strings.TrimPrefix(v, "PUBLIC_URL=")
				if !strings.HasPrefix(location, public+"/jobs/") {
					t.Errorf("Location is %s", location)
				}
				location = strings.Replace(location, public, d.URL, 1)
			}
			got := apptest.Get(t, location)
			if got.StatusCode != http.StatusOK || !bytes.HasPrefix(got.Bytes, []byte("\xff\xd8\xff")) {
				t.Errorf("output is %s, %d bytes", got.Status, len(got.Bytes))
			}
			req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(location, "/output"), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/event-stream")
			resp, err = tt.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(b), "event: status\nid: ") || !strings.Contains(string(b), `"status":"completed"`) {
				t.Errorf("stream is %s: %s (%v)", resp.Status, b, err)
			}
		})
	}
}

// TestServerDrains sends SIGTERM in the middle of 20 uploads: all are answered 202, and
// the process ends well.
func TestServerDrains(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"server", "function"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			drains(t, door)
		})
	}
}

func drains(t *testing.T, door string) {
	d := service.Open(t, awstest.Start(t), door, "LOG_DECISIONS=all")
	ct, body := apptest.Form(t, apptest.Photograph(t))
	half := len(body) / 2
	var under, done sync.WaitGroup
	pending := apptest.Do(t, http.MethodPost, d.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct).Header.Get("Location")
	done.Go(func() { // no worker is there: this one waits
		if a := apptest.Get(t, pending, "Prefer", "wait=60"); a.StatusCode != http.StatusOK {
			t.Errorf("the waiting caller gets %s: %s", a.Status, a.Bytes)
		}
	})
	done.Go(func() { // and this one has a stream
		if a := apptest.Get(t, pending, "Accept", "text/event-stream"); !strings.HasPrefix(string(a.Bytes), "event: status\n") || !strings.Contains(string(a.Bytes), "\n\nretry: ") {
			t.Errorf("the stream is %s: %s", a.Status, a.Bytes)
		}
	})
	var writers []*io.PipeWriter
	for range 20 {
		r, w := io.Pipe()
		writers = append(writers, w)
		under.Go(func() { w.Write(body[:half]) })
		done.Go(func() {
			a := apptest.Do(t, http.MethodPost, d.URL+"/jobs", r, "Content-Type", ct, "Content-Length", strconv.Itoa(len(body)), "Prefer", "wait=60")
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("answer is %s: %s", a.Status, a.Bytes)
			}
		})
	}
	under.Wait()
	// Each has reached its handler.
	ctx, cancel := context.WithTimeout(t.Context(), service.Limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for out := d.Output(); strings.Count(out, `"action":"submit"`) < 21 || strings.Count(out, `"action":"readStatus"`) < 2; out = d.Output() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the requests have not reached their handlers: %s", out)
		}
	}
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// The server no longer listens, and still serves. The framework's has no such switch;
	// its platform sends nothing more.
	for _, err := http.Get(d.URL + "/health"); err == nil && door == "server"; _, err = http.Get(d.URL + "/health") {
	}
	for _, w := range writers {
		go func() { w.Write(body[half:]); w.Close() }()
	}
	done.Wait()
	if err := d.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if t.Failed() {
		t.Log(d.Output())
	}
}

// TestWorkerHandsBack sends SIGTERM in the middle of five jobs that outlast the grace.
// Another worker takes them at once, and none has lost an attempt.
func TestWorkerHandsBack(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	server := service.Open(t, env, "server")
	flag := t.TempDir() + "/go"
	slow := fmt.Sprintf("PROCESSOR=exec:sh -c 'while [ ! -e \"%s\" ]; do sleep 0.05; done; cat'", flag)
	first := service.Open(t, env, "worker", slow, "CONCURRENCY=5", "SHUTDOWN_GRACE=100ms", "LEASE=5m")
	var locations []string
	for range 5 {
		ct, body := apptest.Form(t, apptest.Photograph(t))
		a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
		locations = append(locations, a.Header.Get("Location"))
	}
	for _, l := range locations {
		for apptest.Get(t, l).JSON(t)["status"] != "processing" {
		}
	}
	if err := first.Stop(2 * time.Minute); err != nil {
		t.Fatalf("first worker: %v: %s", err, first.Output())
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	service.Open(t, env, "worker", slow, "CONCURRENCY=5")
	for _, l := range locations {
		if a := apptest.Await(t, l); a.JSON(t)["status"] != "completed" || a.JSON(t)["attempts"] != 1.0 {
			t.Errorf("job is %s", a.Bytes)
		}
	}
}
