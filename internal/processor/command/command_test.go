package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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

// sh returns a processor that runs a script by sh.
func sh(t *testing.T, opts command.Options, script string, args ...string) *command.Command {
	t.Helper()
	program.Need(t, "sh")
	name := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := command.New("sh '"+name+"' "+strings.Join(args, " "), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCommand(t *testing.T) {
	t.Setenv("CLAIMCHECK_TEST_SECRET", "no program may know")
	t.Setenv("CLAIMCHECK_TEST_LISTED", "listed")
	listed := command.Options{Env: []string{"CLAIMCHECK_TEST_LISTED=listed"}}
	tests := []struct {
		name, script string
		args         []string
		params, want string
		kind         job.Kind
		message, log string
	}{
		{name: "streams through", script: "cat", want: "picture"},
		{name: "files", script: `cp "$1" "$2"; echo chatter`, args: []string{"{in}", "{out}"}, want: "picture"},
		{name: "file in", script: `cat "$1"`, args: []string{"{in}"}, want: "picture"},
		{name: "params in the environment", script: `printf %s "$CLAIMCHECK_PARAMS"`, params: `{"a":"$(id) \u0022"}`, want: `{"a":"$(id) \u0022"}`},
		{name: "no params", script: `printf %s "$CLAIMCHECK_PARAMS"`, want: "{}"},
		{name: "placeholders", script: `printf '%s|' "$@"`, args: []string{"-w={width}", "{mode:soft}", "{kept", "{}"}, params: `{"width": 12.5}`, want: "-w=12.5|soft|{kept|{}|"},
		{name: "an environment of its own", script: `printf %s "$CLAIMCHECK_TEST_SECRET$CLAIMCHECK_TEST_LISTED"`, want: "listed"},
		{name: "a directory of its own", script: `[ "$PWD" = "$TMPDIR" ] && [ -z "$(ls -A)" ] && printf yes`, want: "yes"},
		{name: "exits early", script: "exec 0<&-; printf early", want: "early"},
		{name: "bad data", script: "echo noise >&2; echo 'The picture is upside down.' >&2; exit 65", kind: job.Invalid, message: "The picture is upside down"},
		{name: "bad data, and more to say", script: "echo 'no picture...' >&2; exit 65", kind: job.Invalid, message: "no picture..."},
		{name: "bad data without a word", script: "exit 65", kind: job.Invalid, message: "the processor refused the image"},
		{name: "later", script: "exit 75", kind: job.Unavailable, message: "the processor cannot work now"},
		{name: "fails after output", script: "printf half; echo secret >&2; exit 3", kind: job.Unknown, message: "the processor failed (exit status 3)", log: "(exit status 3): secret"},
		{name: "fails with a reason", script: "echo noise >&2; echo 'no loader for it' >&2; exit 255", kind: job.Unknown, message: "the processor failed (exit status 255)", log: "(exit status 255): noise\nno loader for it"},
		{name: "lacks a program", script: "vipsthumbnial", kind: job.Unknown, message: "the processor could not run its program (exit status 127)", log: "vipsthumbnial"},
		{name: "may not run a program", script: "exec ./.", kind: job.Unknown, message: "the processor could not run its program (exit status 126)", log: "./."},
		{name: "gives nothing", script: "true", kind: job.Unknown, message: "the processor gave no result"},
		{name: "leaves no file", script: "true", args: []string{"{out}"}, kind: job.Unknown, message: "the processor gave no result"},
		{name: "leaves a link", script: "ln -s /etc/hostname $1", args: []string{"{out}"}, kind: job.Unknown, message: "the processor gave no result"},
		{name: "endless output", script: "exec cat /dev/zero", kind: job.TooLarge, message: "the processor's result has more bytes than this service hands out"},
		{name: "an endless file", script: `cat /dev/zero > "$1"; exit 0`, args: []string{"{out}"}, kind: job.TooLarge, message: "the processor's result has more bytes than this service hands out"},
		{name: "endless errors", script: "yes error | head -c 20000000 >&2; printf done", want: "done"},
		{name: "its processor time", script: "ulimit -St; ulimit -Ht", want: fmt.Sprintf("%d\n%d\n", 21*runtime.NumCPU(), 21*runtime.NumCPU()+1)},
		{name: "too much processor time", script: "kill -XCPU $$", kind: job.Unknown, message: "the processor failed (signal: CPU time limit exceeded)"},
		{name: "too much memory", script: `python3 -c 'bytearray(3 << 30)' || exit 65`, kind: job.Invalid, message: "MemoryError"},
	}
	listed.MaxOutputBytes = 1 << 20
	listed.MaxInputBytes = 2 << 20
	listed.MaxMemory = 1 << 30
	listed.Timeout = 20 * time.Second
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := processortest.Run(t, sh(t, listed, tt.script, tt.args...), []byte("picture"), tt.params)
			if tt.message != "" {
				if job.KindOf(err) != tt.kind || job.MessageOf(err) != tt.message || !strings.Contains(err.Error(), tt.log) {
					t.Errorf("got %v (%v, %q), want %v, %q", err, job.KindOf(err), job.MessageOf(err), tt.kind, tt.message)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCommandParamsCannotBreakOut(t *testing.T) {
	t.Parallel()
	p := sh(t, command.Options{}, "cat", "{mode}")
	for _, params := range []string{
		``, `{}`, `{"mode": "-rf"}`, `{"mode": "a b"}`, `{"mode": "../../etc/passwd"}`, `{"mode": "@/etc/passwd"}`, `{"mode": ""}`,
		`{"mode": "a\nb"}`, `{"mode": "a;b"}`, `{"mode": null}`, `{"mode": null, "mode": "x"}`, `{"mode": -1}`, `{"mode": {}}`, `{"mode": ["x"]}`, `{"mode": "$(id)"}`, `[]`, `{"mode":"x"} ` + "{}",
	} {
		if err := p.CheckParams(job.Media{}, []byte(params)); job.KindOf(err) != job.Invalid {
			t.Errorf("CheckParams(%s): got %v, want invalid", params, err)
		}
	}
	if err := p.CheckParams(job.Media{}, []byte(`{"mode": "90x40+5,6.7:a%#=-", "other": "-anything"}`)); err != nil {
		t.Errorf("plain text: %v", err)
	}
}

// A program that hangs ends when its time is up, with everything that it started.
func TestCommandTimeout(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	p := sh(t, command.Options{Timeout: 3 * time.Second}, `sleep 1000 & echo $! $$ > "$0.pids"; mv "$0.pids" `+pids+`; wait`)
	_, _, err := processortest.Run(t, p, []byte("picture"), "")
	if job.KindOf(err) != job.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	data, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return !running(pid) })
	}
}

// running reports whether the process exists and is not a zombie.
func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(2 * time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come to be")
		}
	}
}

func TestCommandEndsWithItsContextAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	p := sh(t, command.Options{}, "printf some; exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := p.Process(ctx, job.Task{Image: strings.NewReader("picture"), Progress: func(float64, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "claimcheck-run-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCommandProgress has a program report its progress, and lines that are not progress.
func TestCommandProgress(t *testing.T) {
	t.Parallel()
	var got []string
	p := sh(t, command.Options{}, `
echo "0.25 reading the picture" >"$CLAIMCHECK_PROGRESS"
echo "nearly there" >>"$CLAIMCHECK_PROGRESS"
head -c 5000 /dev/zero | tr '\0' 7 >&3
printf '\n  0.5  \n\n1 done' >&3
exec cat`)
	r, err := p.Process(t.Context(), job.Task{Image: strings.NewReader("picture"), Progress: func(f float64, note string) {
		got = append(got, strings.TrimSpace(strconv.FormatFloat(f, 'g', 3, 64)+" "+note))
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Error(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	if want := "0.25 reading the picture, 0.5, 1 done"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestCommandGivesTheInputsError(t *testing.T) {
	t.Parallel()
	broken := errors.New("storage broke off")
	for _, args := range []string{"", "{in}"} {
		r, err := sh(t, command.Options{}, "cat", args).Process(t.Context(), job.Task{Image: iotest.ErrReader(broken), Progress: func(float64, string) {}})
		if err == nil {
			_, err = io.ReadAll(r.Body)
			r.Body.Close()
		}
		if !errors.Is(err, broken) {
			t.Errorf("%q: got %v, want the input's error", args, err)
		}
	}
}
