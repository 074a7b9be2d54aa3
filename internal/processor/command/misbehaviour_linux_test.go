package command_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/processor/processortest"
	"claimcheck.example/internal/test/program"
)

// misbehaviours are programs that break the rules. They write the numbers of the
// processes that they start, and their own, to the file $0.pids.
var misbehaviours = map[string]struct {
	script  string
	args    string
	want    string
	kind    job.Kind
	message string
	units   float64
}{
	"hangs": {
		script: `echo $$ >>"$0.pids"; exec sleep 1000`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"ignores what asks it to end": {
		script: `trap "" TERM INT HUP QUIT USR1; echo $$ >>"$0.pids"; while :; do sleep 0.02; done`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"stops itself": {
		script: `echo $$ >>"$0.pids"; kill -STOP $$; printf done`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"leaves children and grandchildren": {
		script: `sleep 1000 & echo $! >>"$0.pids"; (sleep 1000 & echo $! >>"$0.pids"); printf done`,
		want:   "done",
	},
	"leaves a child that holds its output": {
		script: `setsid sleep 1000 & echo $! >>"$0.pids"; printf done`,
		want:   "done",
	},
	"leaves a daemon": {
		script: `setsid sh -c 'cd /; trap "" HUP; echo $$ >>"$0.pids"; exec sleep 1000 <&- >&- 2>&-' "$0" & until [ -s "$0.pids" ]; do sleep 0.01; done; printf done`,
		want:   "done",
	},
	"leaves a daemon without its environment": {
		script: `setsid env -i sh -c 'echo $$ >>"$0.pids"; /bin/sleep 1000' "$0" & until [ -s "$0.pids" ]; do sleep 0.01; done; printf done`,
		want:   "done",
	},
	"leaves a daemon without any mark": {
		script: `(setsid env -i sh -c 'cd /; exec <&- >&- 2>&- 3>&-; echo $$ >>"$0.pids"; while :; do /bin/sleep 0.1; done' "$0" &) & until [ -s "$0.pids" ]; do sleep 0.01; done; printf done`,
		want:   "done",
	},
	"leaves daemons that start others": {
		script: `setsid sh -c 'echo $$ >>"$0.pids"; while :; do sleep 1000 & echo $! >>"$0.pids"; sleep 0.01; done' "$0" & until [ -s "$0.pids" ]; do sleep 0.01; done; printf done`,
		want:   "done",
	},
	"hangs with a daemon": {
		script: `setsid sleep 1000 & echo $! >>"$0.pids"; echo $$ >>"$0.pids"; wait`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"leaks memory": {
		script: `exec awk 'BEGIN { s = "leak"; for (;;) s = s s }'`,
		kind:   job.Unknown, message: "the processor failed (exit status 2)",
	},
	"writes forever": {
		script: `echo $$ >>"$0.pids"; exec cat /dev/zero`,
		kind:   job.TooLarge, message: "the processor's result has more bytes than this service hands out",
	},
	"complains at length": { // more than any buffer holds
		script: `echo $$ >>"$0.pids"; head -c 300M /dev/zero >&2; exec sleep 1000`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"fills the disk": {
		script: `exec cat /dev/zero >more`,
		kind:   job.Unknown, message: "the processor failed (signal: file size limit exceeded)",
	},
	"fills the disk with its result": {
		script: `exec cat /dev/zero >"$1"`, args: "{out}",
		kind: job.Unknown, message: "the processor failed (signal: file size limit exceeded)",
	},
	"fills the disk with many files": {
		script: `echo $$ >>"$0.pids"; mkdir sub; for i in 0 1 2 3 4 5 6 7 8 9; do head -c 500000 /dev/zero >sub/$i; done; exec sleep 1000`,
		kind:   job.Unknown, message: "the processor wrote more to its folder than it may",
	},
	"fills the disk with empty files": {
		script: `echo $$ >>"$0.pids"; seq 1100 | xargs touch; exec sleep 1000`,
		kind:   job.Unknown, message: "the processor wrote more to its folder than it may",
	},
	"leaks memory by many children": {
		script: `for i in 0 1 2 3 4 5 6 7; do { dd if=/dev/zero bs=40M count=1 | sleep 1000; } 2>&- & echo $! >>"$0.pids"; done; wait`,
		kind:   job.Unknown, message: "the processor took more memory than it may",
	},
	"shares its memory with many children": {
		script: `v=$(head -c 60M /dev/zero | tr '\0' v); mkfifo f; for i in 0 1 2 3 4; do (read v <f) & done; sleep 0.5; exec 4<>f; printf done`,
		want:   "done",
	},
	"starts ever more": {
		script: `i=0; while [ $i -lt 60 ]; do setsid sleep 1000 & echo $! >>"$0.pids"; i=$((i+1)); done; wait`,
		kind:   job.Unknown, message: "the processor started more processes than it may",
	},
	"never reads": {
		script: `sleep 0.05; printf done`,
		want:   "done",
	},
	"never reads, and hangs": {
		script: `echo $$ >>"$0.pids"; exec sleep 1000`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"closes its input": {
		script: `exec <&-; sleep 0.05; printf done`,
		want:   "done",
	},
	"reads a little and ends": {
		script: `head -c 10 >/dev/null; printf done`,
		want:   "done",
	},
	"closes its output and goes on": {
		script: `printf done; exec >&-; sleep 0.1; echo 3 >"$CLAIMCHECK_UNITS"`,
		want:   "done", units: 3,
	},
	"closes its output and hangs": {
		script: `printf done; exec >&-; echo $$ >>"$0.pids"; exec sleep 1000`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"closes its output and fails": {
		script: `printf done; exec >&-; sleep 0.05; exit 7`,
		kind:   job.Unknown, message: "the processor failed (exit status 7)",
	},
	"crashes": {
		script: `cat >/dev/null; printf half; kill -SEGV $$`,
		kind:   job.Unknown, message: "the processor failed (signal: segmentation fault)",
	},
	"kills itself": {
		script: `kill -KILL $$`,
		kind:   job.Unknown, message: "the processor failed (signal: killed)",
	},
	"kills its group": {
		script: `kill -KILL 0`,
		kind:   job.Unknown, message: "the processor failed (signal: killed)",
	},
	"complains in no language": {
		script: `head -c 3000 /dev/urandom >&2; printf '\033]0;title\007\n\377 bad\002 image \n' >&2; exit 65`,
		kind:   job.Invalid, message: "? bad  image",
	},
	"bills garbage": {
		script: `head -c 100000 /dev/urandom >"$CLAIMCHECK_UNITS"; printf done`,
		want:   "done",
	},
	"bills less than nothing": {
		script: `echo -5 >"$CLAIMCHECK_UNITS"; printf done`,
		want:   "done",
	},
	"bills without end": {
		script: `echo inf >"$CLAIMCHECK_UNITS"; printf done`,
		want:   "done",
	},
	"bills by a link": {
		script: `echo 5 >elsewhere; ln -s elsewhere "$CLAIMCHECK_UNITS"; printf done`,
		want:   "done",
	},
	"bills by a pipe": {
		script: `mkfifo "$CLAIMCHECK_UNITS"; printf done`,
		want:   "done",
	},
	"reports progress at length": {
		script: `echo $$ >>"$0.pids"; head -c 300M /dev/zero >"$CLAIMCHECK_PROGRESS"; exec sleep 1000`,
		kind:   job.Unavailable, message: "the processor did not finish within 3s",
	},
	"closes its progress pipe": {
		script: `exec 3>&-; printf done`,
		want:   "done",
	},
	"removes its folder": {
		script: `rm -rf "$TMPDIR"; printf done`,
		want:   "done",
	},
	"behaves": {
		script: `cat; echo 2.5 >"$CLAIMCHECK_UNITS"`,
		want:   strings.Repeat("picture ", 50_000), units: 2.5,
	},
}

// TestMisbehaviour runs each of them. It ends with the right outcome and leaves no
// process, no folder and no memory in use.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	image := []byte(strings.Repeat("picture ", 50_000)) // more than a pipe buffers
	opts := command.Options{Timeout: time.Minute, MaxMemory: 256 << 20, MaxProcesses: 50}
	opts.MaxOutputBytes, opts.MaxInputBytes = 1<<20, 1<<20
	for name, tt := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(`echo "$TMPDIR" >"$0.dir"; `+tt.script), 0o600); err != nil {
				t.Fatal(err)
			}
			opts := opts
			if strings.Contains(tt.message, "did not finish") {
				opts.Timeout = 3 * time.Second
			}
			p, err := command.New("sh "+script+" "+tt.args, opts)
			if err != nil {
				t.Fatal(err)
			}
			got, units, err := billed(t, p, image)
			if tt.message != "" {
				if job.KindOf(err) != tt.kind || job.MessageOf(err) != tt.message {
					t.Errorf("got %v (%v, %q), want %v, %q", err, job.KindOf(err), job.MessageOf(err), tt.kind, tt.message)
				}
			} else if err != nil || string(got) != tt.want {
				t.Errorf("got %.20q, %v, want %.20q", got, err, tt.want)
			} else if units != tt.units {
				t.Errorf("it is billed %v units, want %v", units, tt.units)
			}
			pids, _ := os.ReadFile(script + ".pids") // most write no file
			for _, field := range strings.Fields(string(pids)) {
				if pid, err := strconv.Atoi(field); err != nil || running(pid) {
					t.Errorf("process %s is left, %v", field, err)
				}
			}
			dir, err := os.ReadFile(script + ".dir")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(strings.TrimSpace(string(dir))); !os.IsNotExist(err) {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

// billed runs p as a worker does, and returns its bill.
func billed(t *testing.T, p job.Processor, image []byte) (result []byte, units float64, err error) {
	t.Helper()
	r, err := p.Process(t.Context(), job.Task{Image: bytes.NewReader(image), Progress: func(float64, string) {}})
	if err != nil {
		return nil, 0, err
	}
	if result, err = io.ReadAll(r.Body); err == nil {
		units = r.Units()
	}
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	return result, units, err
}

// TestComplaintsTakeNoMemory has a program write a gigabyte of errors.
func TestComplaintsTakeNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := processortest.Run(t, sh(t, command.Options{}, "head -c 1G /dev/zero >&2; exit 1"), []byte("picture"), "")
	runtime.ReadMemStats(&after)
	if job.KindOf(err) != job.Unknown {
		t.Errorf("got %v, want a failure", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("%d bytes of memory were taken", n)
	}
}

// TestKilledWorkerLeavesNothing kills a worker with -9 at work. Its program's daemon ends,
// and the next worker removes its folder, but leaves those of a living worker alone.
func TestKilledWorkerLeavesNothing(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	tmp := t.TempDir()
	start := func(line string) (*exec.Cmd, io.Reader) {
		t.Helper()
		worker := exec.Command(os.Args[0])
		worker.Env = append(os.Environ(), asWorker+"="+line, "TMPDIR="+tmp)
		out, err := worker.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = worker.Process.Kill(); _ = worker.Wait() })
		return worker, out
	}
	const daemon = `sh -c "setsid env -i sleep 1000 >/dev/null 2>&1 & echo $! $PWD $PPID; exec sleep 1000"`
	type life struct {
		worker *exec.Cmd
		pid    int // the daemon's
		dir    string
	}
	begin := func() (l life) {
		t.Helper()
		var out io.Reader
		l.worker, out = start(daemon)
		if _, err := fmt.Fscan(out, &l.pid, &l.dir, new(int)); err != nil {
			t.Fatal(err)
		}
		if !running(l.pid) {
			t.Fatal("the daemon does not run")
		}
		return l
	}
	killed, lives := begin(), begin()
	if err := killed.worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.worker.Wait()
	eventually(t, func() bool { return !running(killed.pid) })
	_, out := start(`sh -c "echo swept; exec sleep 1000"`)
	if _, err := fmt.Fscan(out, new(string)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed.dir); !os.IsNotExist(err) {
		t.Errorf("the killed worker's folder is left: %v", err)
	}
	if _, err := os.Stat(lives.dir); err != nil || !running(lives.pid) {
		t.Errorf("the living worker's folder: %v; its daemon runs: %v", err, running(lives.pid))
	}
}

// TestKilledSupervisor kills a run's supervisor, as a program can on a kernel without the
// wall between signals: the run fails, and its processes end.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	p := sh(t, command.Options{}, `setsid sleep 1000 & echo $! $$ $PPID >"$1.new"; mv "$1.new" "$1"; wait`, pids)
	r, err := p.Process(t.Context(), job.Task{Image: strings.NewReader(""), Progress: func(float64, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var daemon, leader, supervisor int
	eventually(t, func() bool {
		text, _ := os.ReadFile(pids) // it may not exist yet
		n, _ := fmt.Sscan(string(text), &daemon, &leader, &supervisor)
		return n == 3
	})
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r.Body); job.KindOf(err) != job.Unknown {
		t.Errorf("got %v (%v), want unknown", err, job.KindOf(err))
	}
	eventually(t, func() bool { return !running(daemon) && !running(leader) })
}

// TestFirstProcessLeavesNoZombies has a worker inherit orphans, as the first process of a
// container does, and looks for uncollected children.
func TestFirstProcessLeavesNoZombies(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), asWorker+`=sh -c "(sleep 1000 & sleep 1000) & setsid sh -c 'sleep 1000 & sleep 1000' & sleep 0.1; echo done"`, inheriting+"=yes")
	out, err := worker.Output()
	if err != nil {
		var stderr []byte
		if e, ok := err.(*exec.ExitError); ok {
			stderr = e.Stderr
		}
		t.Fatalf("%v: %s", err, stderr)
	}
	if !bytes.Equal(out, []byte("done\nchildren: \n")) {
		t.Errorf("%s", out)
	}
}

// TestResultOutlivesItsProgram reads a result more slowly than its program writes it: the
// result is complete and ends, although a process outside of the run holds the pipe open.
func TestResultOutlivesItsProgram(t *testing.T) {
	t.Parallel()
	const size = 60_000 // of the 64 KiB that a pipe holds
	name := filepath.Join(t.TempDir(), "pid")
	p := sh(t, command.Options{}, `
head -c 60000 /dev/zero
echo $$ >"$1.new"; mv "$1.new" "$1"
until [ -e "$1.held" ]; do sleep 0.01; done`, name)
	r, err := p.Process(t.Context(), job.Task{Image: strings.NewReader("picture"), Progress: func(float64, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var pid int
	eventually(t, func() bool {
		text, _ := os.ReadFile(name) // it may not exist yet
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid != 0
	})
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
	if err != nil {
		program.Lacks(t, "the pipe of another process cannot be opened here: %v", err)
	}
	defer pipe.Close()
	if err := os.WriteFile(name+".held", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return !running(pid) })
	got, err := io.ReadAll(iotest.OneByteReader(r.Body))
	if err != nil || len(got) != size {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, size)
	}
}
