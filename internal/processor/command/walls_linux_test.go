package command_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/processor/command/sandbox/supervisor"
	"claimcheck.example/internal/test/program"
)

// victim notes something in its folder and waits. It prints its process's number, its
// worker's, and the folder.
const victim = `echo secret >note; echo $$ $(cut -d" " -f4 /proc/$PPID/stat) $PWD; exec sleep 1000`

// attacker tries on the process, the worker and the folder what one run must not do to
// another, and prints what it has done.
const attacker = `
pid=$1 worker=$2 dir=$3
cat "$dir/note" 2>/dev/null
ls "$dir" 2>/dev/null
ls "${dir%/*}" 2>/dev/null
(echo forged >"$dir/out") 2>/dev/null && echo the output is forged
(: >>"$dir/note") 2>/dev/null && echo the note is changed
(cd "$dir" && rm -f note) 2>/dev/null && echo the note is removed
mv "$dir/note" . 2>/dev/null && echo the note is moved
ln "$dir/note" linked 2>/dev/null && cat linked
readlink /proc/$pid/cwd /proc/$pid/fd/1
for f in environ mem maps fd/1 cwd/note; do
	head -c 0 /proc/$pid/$f 2>/dev/null && echo $f is open
done
mkdir a b; echo own >a/file; mv a/file b/file; cat b/file 2>&1`

// signals has the attacker send some too.
const signals = `
for p in $pid $worker $PPID; do kill -0 $p 2>/dev/null && echo a signal to a process; done
kill -0 -$pid 2>/dev/null && echo a signal to a group
sh -c "echo own" & wait`

// TestRunsAreApart has a program attack another one, which runs beside it under a worker of
// the same user.
func TestRunsAreApart(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	users := map[string]*syscall.SysProcAttr{"own": nil}
	if os.Geteuid() == 0 {
		users["nobody"] = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	for name, user := range users {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folderFor(t, user)
			walls, err := supervisor.Look(dir, "any")
			if !walls.Folders {
				if abi, lerr := landlock.LandlockGetABIVersion(); lerr == nil && abi >= 2 {
					t.Fatalf("this kernel has version %d of Landlock, and the folders of runs are not kept apart: %v", abi, err)
				}
				t.Skipf("SKIPPED: this kernel does not keep the folders of runs apart: %v", err)
			}
			script, want := attacker, "own\n"
			if walls.Signals {
				script, want = script+signals, "own\nown\n"
			}
			start := func(script string, victim []any) io.Reader {
				t.Helper()
				name := filepath.Join(dir, fmt.Sprintf("script-%d", len(script)))
				if err := os.WriteFile(name, []byte(script), 0o644); err != nil {
					t.Fatal(err)
				}
				worker := exec.Command("/proc/self/exe")
				worker.SysProcAttr = user
				worker.Env = append(os.Environ(), "TMPDIR="+dir, asWorker+"=sh "+name+" "+strings.Trim(fmt.Sprint(victim), "[]"))
				worker.Stderr = os.Stderr
				out, err := worker.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := worker.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = worker.Process.Kill(); _ = worker.Wait() })
				return out
			}
			out := start(victim, nil)
			var pid, worker int
			var folder string
			if _, err := fmt.Fscan(out, &pid, &worker, &folder); err != nil {
				t.Fatal(err)
			}
			out = start(script, []any{pid, worker, folder})
			got, err := io.ReadAll(out)
			if err != nil || string(got) != want {
				t.Errorf("the attacker got %q, %v, want %q", got, err, want)
			}
			if note, err := os.ReadFile(filepath.Join(folder, "note")); err != nil || !bytes.Equal(note, []byte("secret\n")) {
				t.Errorf("the note is %q, %v", note, err)
			}
			if !running(pid) || !running(worker) {
				t.Error("the attacker has ended another one's process")
			}
		})
	}
}

// TestOwnUser has a worker of root run programs: each has a user of its own, who is not
// root, and can read what is root's.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	shell := program.Need(t, "sh")
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil || caps[0].Effective&(1<<unix.CAP_DAC_READ_SEARCH) == 0 {
		t.Skip("SKIPPED: programs get a user of their own from a root that has CAP_DAC_READ_SEARCH, which containers leave out")
	}
	other := exec.Command(shell, "-c", ":")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := other.Run(); err != nil {
		t.Skipf("SKIPPED: only root can give programs a user of their own: %v", err)
	}
	p := sh(t, command.Options{}, `grep -E "^(Uid|NoNewPrivs)" /proc/self/status | tr "\n" " "; cat "$1"; touch mine; stat -c %u mine .`, hidden(t))
	var seen []string
	for range 2 {
		r, err := p.Process(t.Context(), job.Task{Image: strings.NewReader(""), Progress: func(float64, string) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close() // both run at once
		got, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		var uid, mine, own int
		if _, err := fmt.Sscanf(strings.Join(strings.Fields(string(got)), " "), "Uid: %d %d %d %d NoNewPrivs: 1 hidden %d %d", &uid, new(int), new(int), new(int), &mine, &own); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if uid == 0 || mine != uid || own != uid {
			t.Errorf("the program's user is %d, its file's %d, its folder's %d", uid, mine, own)
		}
		seen = append(seen, fmt.Sprint(uid))
	}
	if seen[0] == seen[1] {
		t.Errorf("two runs at once have the same user %s", seen[0])
	}
}

// hidden returns the name of a file that is its owner's alone.
func hidden(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hidden")
	if err := os.WriteFile(name, []byte("hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
