package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/process"
)

// harness has what a measurement needs: built binaries and a backend.
type harness struct {
	dir     string
	durable bool              // writes of the database wait for the disk
	plain   *process.Binaries // as production has them
	probed  *process.Binaries // the same with testdata/probe.go beside their mains
	backend *process.Backend
	home    *home // the database beside it; nil until it is asked for

	postgres *pgtest.Running // of all homes, one after the other; nil until the first
}

// ownList is the prefix of the keys of the list of the one owner of an anonymous server.
const ownList = "lists/anonymous=7Canonymous/"

// floorCommand is the folder of the floor.
const floorCommand = "internal/test/bench/floor"

// newHarness builds server, worker and floor of the module in root, and puts their files
// under dir.
func newHarness(ctx context.Context, root, dir string, durable bool) (*harness, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	s := &harness{dir: dir, durable: durable}
	replace := map[string]string{}
	for _, main := range []string{"cmd/server", "cmd/worker", floorCommand} {
		replace[filepath.Join(root, main, "bench_probe.go")] = filepath.Join(root, "internal/test/bench/testdata/probe.go")
	}
	if s.plain, err = (process.Source{Root: root}).Build(ctx, nil, "server", floorCommand); err != nil {
		return nil, err
	}
	if s.probed, err = (process.Source{Root: root, Overlay: replace}).Build(ctx, nil, "server", "worker", floorCommand); err != nil {
		return nil, err
	}
	return s, s.renew(ctx)
}

// renew ends the backend and starts an empty one.
func (s *harness) renew(ctx context.Context) error {
	s.clear()
	dir := filepath.Join(s.dir, "backend")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s3Port, err := process.FreePort()
	if err != nil {
		return err
	}
	sqsPort, err := process.FreePort()
	if err != nil {
		return err
	}
	s.backend, err = process.StartBackend(ctx, dir, s3Port, sqsPort, nil)
	return err
}

// clear ends the backend and removes its data.
func (s *harness) clear() {
	if s.backend != nil {
		s.backend.Kill()
		s.backend = nil
	}
	s.home = nil
	_ = os.RemoveAll(filepath.Join(s.dir, "backend"))
}

// close ends the backend and PostgreSQL, and removes their data.
func (s *harness) close() {
	s.clear()
	if s.postgres != nil {
		s.postgres.Stop()
		s.postgres = nil
	}
}

// side is one of the two compared programs.
type side int

const (
	server side = iota
	floor
	database // the server, over PostgreSQL and a folder
	mixed    // the server, over PostgreSQL and a bucket
	unlisted // the server, without lists of jobs
)

// proc is a running process under measurement.
type proc struct {
	*process.Process
	url   string // of its API; a worker has none
	probe string // of testdata/probe.go; empty when it is not linked
}

// start runs a server or a floor with the production's defaults and perhaps more settings,
// and waits until it listens.
func (s *harness) start(ctx context.Context, f *process.Binaries, which side, more ...string) (*proc, error) {
	a, err := s.exec(f, which, more...)
	if err != nil {
		return nil, err
	}
	// Any answer shows that it listens.
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		if c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://")); err == nil {
			c.Close()
			return a, nil
		}
		select {
		case <-tick.C:
		case <-a.Done():
			return nil, fmt.Errorf("it ended: %v: %s", a.Wait(), a.Output())
		case <-ctx.Done():
			a.Kill()
			return nil, context.Cause(ctx)
		}
	}
}

// exec is start without the wait.
func (s *harness) exec(f *process.Binaries, which side, more ...string) (*proc, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	a := &proc{url: "http://127.0.0.1:" + strconv.Itoa(port)}
	env := append(more, s.env(which)...)
	if f == s.probed {
		if env, err = a.addProbe(env); err != nil {
			return nil, err
		}
	}
	if which == floor {
		a.Process, err = f.Start("floor", env, "-listen", strings.TrimPrefix(a.url, "http://"), "-bucket", process.Bucket, "-queue", s.queue(), "-list", ownList)
	} else {
		env = append([]string{"PORT=" + strconv.Itoa(port), "ALLOW_ANONYMOUS=true", "MAX_IMAGE_BYTES=2GiB"}, env...)
		a.Process, err = f.Start("server", env)
	}
	return a, err
}

// env has the settings of a side's process for its backends.
func (s *harness) env(which side) []string {
	switch which {
	case database:
		return s.home.env
	case unlisted:
		return append(slices.Clone(s.backend.Env), "LIST_JOBS=false")
	case mixed:
		env := slices.DeleteFunc(slices.Clone(s.backend.Env), func(kv string) bool {
			return strings.HasPrefix(kv, "S3_BUCKET=") || strings.HasPrefix(kv, "SQS_QUEUE_URL=")
		})
		return append(env, "DATABASE_URL="+s.home.url, "OBJECTS=s3://"+process.Bucket)
	}
	return s.backend.Env
}

// queue is the queue's URL.
func (s *harness) queue() string {
	for _, kv := range s.backend.Env {
		if url, ok := strings.CutPrefix(kv, "SQS_QUEUE_URL="); ok {
			return url
		}
	}
	panic("the backend has no queue")
}

// startWorker runs a worker with settings on top of the defaults of production. Its output
// goes to log.
func (s *harness) startWorker(which side, log io.Writer, env ...string) (*proc, error) {
	a := &proc{}
	env, err := a.addProbe(append(env, s.env(which)...))
	if err != nil {
		return nil, err
	}
	a.Process, err = s.probed.WithLog(log).Start("worker", env)
	return a, err
}

func (a *proc) addProbe(env []string) ([]string, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	a.probe = "http://127.0.0.1:" + strconv.Itoa(port)
	return append([]string{"BENCH_PROBE=127.0.0.1:" + strconv.Itoa(port)}, env...), nil
}

// taken is the CPU time and the allocations of a process so far.
type taken struct {
	CPU     time.Duration `json:"cpu_ns"` // user and system
	Allocs  int64         `json:"allocs"` // objects on the heap
	PeakRSS int64         `json:"-"`      // bytes
}

// taken asks the probe, and Linux.
func (a *proc) taken(ctx context.Context) (t taken, err error) {
	err = fetch(ctx, a.probe+"/figures", func(r io.Reader) error { return json.NewDecoder(r).Decode(&t) })
	if err == nil {
		t.PeakRSS, err = a.Process.PeakRSS()
	}
	return t, err
}

// profile writes the probe's answer at path, such as /debug/pprof/allocs, to file.
func (a *proc) profile(ctx context.Context, path, file string) error {
	return fetch(ctx, a.probe+path, func(r io.Reader) error {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, r); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

func fetch(ctx context.Context, url string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return read(resp.Body)
}
