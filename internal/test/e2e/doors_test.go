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
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
)

// built is the commands' binaries, built once for all tests.
var built = sync.OnceValues(func() (*process.Fleet, error) {
	dir, err := os.MkdirTemp("", "claimcheck-bin-")
	if err != nil {
		return nil, err
	}
	binaries = dir
	return process.Build(context.Background(), awstest.Module("."), dir, nil, "server", "worker", "function", "claimcheck")
})

var binaries string

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(binaries)
	os.Exit(code)
}

// door is a front door that runs as a process.
type door struct {
	*process.Process
	url string
}

// launch starts a process.
func launch(t testing.TB, env *awstest.Env, name string, vars ...string) door {
	t.Helper()
	f, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return launchFrom(t, f, env, name, vars...)
}

// launchFrom starts a process of another build.
func launchFrom(t testing.TB, f *process.Fleet, env *awstest.Env, name string, vars ...string) door {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	vars = append(env.Servers.Env(env.Bucket, env.QueueURL), append([]string{
		fmt.Sprint("PORT=", port), "ALLOW_ANONYMOUS=true", "FUNCTION_TARGET=Claimcheck", "HOST=127.0.0.1", "LEASE=10s",
	}, vars...)...)
	p, err := f.Start(name, vars)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return door{p, fmt.Sprint("http://127.0.0.1:", port)}
}

// open starts a process and waits until it is ready.
func open(t testing.TB, env *awstest.Env, name string, vars ...string) door {
	t.Helper()
	d := launch(t, env, name, vars...)
	if name != "worker" {
		d.await(t)
	}
	return d
}

// await waits until the process is ready.
func (d door) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := d.Await(ctx, d.url+"/ready"); err != nil {
		t.Fatal(err)
	}
}

// TestDoorsCarryTheSameJob drives a whole job through each process that serves the API.
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
			d := open(t, env, tt.command, tt.vars...)
			open(t, env, "worker")
			ct, body := apptest.Form(t, rainier(t))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/jobs", bytes.NewReader(body))
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
				location = strings.Replace(location, public, d.url, 1)
			}
			got := apptest.Get(t, location)
			if got.StatusCode != http.StatusOK || !bytes.HasPrefix(got.Bytes, []byte("\xff\xd8\xff")) {
				t.Errorf("output is %s, %d bytes", got.Status, len(got.Bytes))
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
	d := open(t, awstest.Start(t), door)
	ct, body := apptest.Form(t, rainier(t))
	half := len(body) / 2
	var under, done sync.WaitGroup
	pending := apptest.Do(t, http.MethodPost, d.url+"/jobs", bytes.NewReader(body), "Content-Type", ct).Header.Get("Location")
	done.Go(func() { // no worker is there: this one waits
		if a := apptest.Get(t, pending, "Prefer", "wait=60"); a.StatusCode != http.StatusOK {
			t.Errorf("who waited is told %s: %s", a.Status, a.Bytes)
		}
	})
	var writers []*io.PipeWriter
	for range 20 {
		r, w := io.Pipe()
		writers = append(writers, w)
		under.Go(func() { w.Write(body[:half]) })
		done.Go(func() {
			a := apptest.Do(t, http.MethodPost, d.url+"/jobs", r, "Content-Type", ct, "Prefer", "wait=60")
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("answer is %s: %s", a.Status, a.Bytes)
			}
		})
	}
	under.Wait()
	// Each has reached its handler.
	for out := d.Output(); strings.Count(out, `"action":"submit"`) < 21 || !strings.Contains(out, `"action":"readStatus"`); out = d.Output() {
		runtime.Gosched()
	}
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// The server no longer listens, and still serves. The framework's has no such switch;
	// its platform sends nothing more.
	for _, err := http.Get(d.url + "/health"); err == nil && door == "server"; _, err = http.Get(d.url + "/health") {
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
	server := open(t, env, "server")
	flag := t.TempDir() + "/go"
	slow := fmt.Sprintf("PROCESSOR=exec:sh -c 'while [ ! -e %s ]; do sleep 0.05; done; cat'", flag)
	first := open(t, env, "worker", slow, "CONCURRENCY=5", "SHUTDOWN_GRACE=100ms", "LEASE=5m")
	var locations []string
	for range 5 {
		ct, body := apptest.Form(t, rainier(t))
		a := apptest.Do(t, http.MethodPost, server.url+"/jobs", bytes.NewReader(body), "Content-Type", ct)
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
	open(t, env, "worker", slow, "CONCURRENCY=5")
	for _, l := range locations {
		if a := apptest.Await(t, l); a.JSON(t)["status"] != "completed" || a.JSON(t)["attempts"] != 1.0 {
			t.Errorf("job is %s", a.Bytes)
		}
	}
}
