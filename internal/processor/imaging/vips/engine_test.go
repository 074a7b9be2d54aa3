package vips_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/vips"
	"claimcheck.example/internal/test/process"
)

// stranger is the path of a program that speaks the protocol and misbehaves on request.
var stranger string

func TestMain(m *testing.M) {
	const folder = "internal/processor/imaging/vips/testdata/stranger"
	built, err := process.Source{Root: awstest.Module(".")}.Build(context.Background(), nil, folder)
	if err != nil {
		panic(err)
	}
	stranger = filepath.Join(built.Dir(), "stranger")
	os.Exit(m.Run())
}

func open(t *testing.T, opts vips.Options) *vips.Engine {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: engines run on Linux only")
	}
	if opts.Path == "" {
		opts.Path = stranger
	}
	e, err := vips.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// ask sends a job and returns the whole result.
func ask(ctx context.Context, e *vips.Engine, do string, image io.Reader) (string, error) {
	r, err := e.Process(ctx, job.Task{
		Image: image, Params: fmt.Appendf(nil, `{"do": %q}`, do), Attempt: 1, Progress: func(float64, string) {},
	}, imaging.Plan{})
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(r.Body)
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	return string(body), err
}

func echo(t *testing.T, e *vips.Engine) {
	t.Helper()
	want := strings.Repeat("a picture ", 50_000)
	if got, err := ask(t.Context(), e, "", strings.NewReader(want)); err != nil || got != want {
		t.Errorf("the job after got %d bytes, %v, want %d", len(got), err, len(want))
	}
}

// TestMisbehaviourCostsOneJob checks that whatever an engine does, its job fails with a
// sentence, and the next job gets a working engine.
func TestMisbehaviourCostsOneJob(t *testing.T) {
	t.Parallel()
	tests := []struct {
		do      string
		kind    job.Kind
		message string // part of it
		memory  int64
		timeout time.Duration
	}{
		{do: "exit", message: "the image engine ended while it worked on the image (exit status 3)"},
		{do: "hang", kind: job.Unavailable, message: "the image engine did not finish within 1s", timeout: time.Second},
		{do: "eat", message: "the image engine took more memory than it may", memory: 256 << 20},
		{do: "garbage", message: "the image engine ended while it worked"},
		{do: "an endless frame", message: "the image engine ended while it worked"},
		{do: "another type", message: "the image engine ended while it worked"},
		{do: "no size", message: "the image engine ended while it worked"},
		{do: "too much", kind: job.TooLarge, message: "more bytes than this service hands out"},
		{do: "half", message: "the image engine ended while it worked"},
		{do: "fail at once", kind: job.Unsupported, message: "no such kind"},
		{do: "lie", message: "the image engine failed"},
		{do: "shout", kind: job.Invalid, message: "a b ccc"},
	}
	for _, tt := range tests {
		t.Run(tt.do, func(t *testing.T) {
			t.Parallel()
			e := open(t, vips.Options{Processes: 1, MaxMemory: tt.memory, Timeout: tt.timeout, Limits: imaging.Limits{MaxOutputBytes: 1 << 20}})
			_, err := ask(t.Context(), e, tt.do, bytes.NewReader(make([]byte, 1<<20)))
			if err == nil || job.KindOf(err) != tt.kind || !strings.Contains(job.MessageOf(err), tt.message) {
				t.Errorf("got %v (%q), want %v with %q", err, job.MessageOf(err), tt.kind, tt.message)
			}
			if m := job.MessageOf(err); strings.Contains(m, "secret") || len(m) > 1000 || strings.ContainsAny(m, "\x00\x1b\n") {
				t.Errorf("the client's sentence is %.1000q", m)
			}
			if tt.timeout == 0 {
				echo(t, e)
			}
		})
	}
}

func TestProcessesAreKeptAndReplaced(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 1})
	jobs := map[string]int{}
	var order []string
	for range 201 {
		pid, err := ask(t.Context(), e, "pid", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if jobs[pid]++; !slices.Contains(order, pid) {
			order = append(order, pid)
		}
	}
	if len(order) != 3 || jobs[order[0]] != 100 || jobs[order[1]] != 100 {
		t.Errorf("got processes with %v jobs, want a hundred each", jobs)
	}
}

func TestAsManyProcessesAsJobsAtOnce(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 2})
	var group sync.WaitGroup
	var mu sync.Mutex
	pids := map[string]bool{}
	for range 12 {
		group.Go(func() {
			pid, err := ask(t.Context(), e, "pid", strings.NewReader(""))
			mu.Lock()
			defer mu.Unlock()
			if pids[pid] = true; err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(pids) > 2 {
		t.Errorf("12 jobs ran in %d processes, want 2 at most", len(pids))
	}
}

func TestProcessSeesNothingOfTheWorker(t *testing.T) {
	t.Parallel()
	got, err := ask(t.Context(), open(t, vips.Options{}), "environment", strings.NewReader(""))
	if err != nil || strings.Contains(got, "PATH=") || strings.Contains(got, "HOME=") || strings.Contains(got, "AWS") {
		t.Errorf("got %v, environment %q", err, got)
	}
}

func TestInputErrorFailsTheJob(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 1})
	broken := errors.New("the store is down")
	_, err := ask(t.Context(), e, "", io.MultiReader(strings.NewReader("some"), &failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	echo(t, e)
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestContextEndsAJob(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 1})
	cause := errors.New("canceled by its owner")
	ctx, cancel := context.WithCancelCause(t.Context())
	// The job is canceled once the engine has asked for the image's last byte.
	image := io.MultiReader(strings.NewReader("some"), onRead(func() { cancel(cause) }))
	if _, err := ask(ctx, e, "hang", image); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	echo(t, e)
}

type onRead func()

func (f onRead) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestCloseEndsEveryProcess(t *testing.T) {
	t.Parallel()
	e := open(t, vips.Options{Processes: 1})
	pid, err := ask(t.Context(), e, "pid", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + pid); !os.IsNotExist(err) {
		t.Errorf("process %s is still there: %v", pid, err)
	}
	if _, err := ask(t.Context(), e, "", strings.NewReader("")); job.KindOf(err) != job.Unavailable {
		t.Errorf("a closed engine says %v", err)
	}
}

func TestOpenRefusesOtherPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{"nowhere": "no such file", "stranger-silent": "hello", "stranger-of-old": "protocol 0"} {
		path := filepath.Join(dir, name)
		if name != "nowhere" {
			if err := os.Symlink(stranger, path); err != nil {
				t.Fatal(err)
			}
		}
		if e, err := vips.Open(t.Context(), vips.Options{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", path, err, want)
			if err == nil {
				e.Close()
			}
		}
	}
}

func TestFindLooksBesideTheProgramFirst(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("PATH", elsewhere)
	self := filepath.Join(dir, "worker")
	if _, err := vips.Find(self); err == nil {
		t.Error("found an engine where there is none")
	}
	for _, where := range []string{elsewhere, dir} {
		want := filepath.Join(where, "imaging")
		if err := os.WriteFile(want, []byte("#!"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := vips.Find(self); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
