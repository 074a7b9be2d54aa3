package command_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/test/leftover"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/program"
)

// asWorker makes the test binary a worker that runs this command line.
const asWorker = "CLAIMCHECK_TEST_WORKER"

func TestMain(m *testing.M) {
	if line := os.Getenv(asWorker); line != "" {
		beWorker(line)
	}
	// A folder that only the runs of this process use.
	dir, remove, err := leftover.Dir("claimcheck-processor-test-")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := overlap.Run(m)
	if err := remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inheriting makes the worker inherit its descendants' orphans and report the children
// that it has at the end.
const inheriting = "CLAIMCHECK_TEST_INHERITING"

func beWorker(line string) {
	err := func() error {
		tell := os.Getenv(inheriting) != ""
		if tell {
			if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
				return err
			}
		}
		p, err := command.New(line, command.Options{Timeout: time.Minute})
		if err != nil {
			return err
		}
		r, err := p.Process(context.Background(), job.Task{Image: strings.NewReader(""), Progress: func(float64, string) {}})
		if err != nil {
			return err
		}
		if _, err := io.Copy(os.Stdout, r.Body); err != nil {
			return err
		}
		if err := r.Body.Close(); err != nil || !tell {
			return err
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
		fmt.Printf("children: %s\n", children)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestClosedFolders has a program close its folders, under a worker that is not root:
// nothing of them is left behind.
func TestClosedFolders(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	if out, err := asNobody(t, `mkdir -p a/b; touch a/b/c; chmod 0500 a/b .; chmod 0 a; echo done`); err != nil || out != "done\n" {
		t.Errorf("the worker ends with %v: %s", err, out)
	}
}

// TestSecretsOfTheWorker has a program look for the secrets of its worker and its
// supervisor; all run as the same user.
func TestSecretsOfTheWorker(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	out, err := asNobody(t, `worker=$(cut -d" " -f4 /proc/$PPID/stat)
test -e /proc/$worker/status || echo there is no worker
for pid in $PPID $worker; do
	for f in environ mem maps fd/ cwd/ root/; do
		if ls -d /proc/$pid/$f. 2>/dev/null || head -c 0 /proc/$pid/$f 2>/dev/null; then echo $f is open; fi
	done
done
grep -zc ^TMPDIR= /proc/$$/environ`)
	if err != nil || out != "1\n" { // it finds its own environment, so the search works
		t.Errorf("the worker ends with %v: %s", err, out)
	}
}

// asNobody runs a script under a worker that is not root, and returns its output. It
// checks that nothing is left behind.
func asNobody(t *testing.T, script string) (out string, err error) {
	t.Helper()
	worker := exec.Command("/proc/self/exe")
	if os.Geteuid() == 0 {
		worker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	dir := folderFor(t, worker.SysProcAttr)
	worker.Env = append(os.Environ(), "TMPDIR="+dir, asWorker+`=sh -c '`+script+`'`)
	all, err := worker.CombinedOutput()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return string(all), err
}

// nobody is the user and group without rights.
const nobody = 65534

// folderFor returns an empty folder that is the user's, and where that one can get to.
func folderFor(t *testing.T, user *syscall.SysProcAttr) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "claimcheck-processor-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if user != nil {
		if err := os.Chown(dir, int(user.Credential.Uid), int(user.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestCommandEndsWithItsWorker kills a worker: the program that it ran is gone too.
func TestCommandEndsWithItsWorker(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), asWorker+`=sh -c "echo $$; exec sleep 60"`)
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the program does not run: %v", err)
	}
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = worker.Wait()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		// An ended process is a zombie until its new parent collects it.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("the program outlives its worker: %s", stat)
		}
	}
}
