package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// badPrograms is a script that misbehaves as its first argument says; it notes in $0.pids
// what it starts, and in $0.dirs where.
const badPrograms = `
pwd >>"$0.dirs"
echo $$ >>"$0.pids"
case $1 in
well) exec cat ;;
hang) exec sleep 1000 ;;
stubborn) trap "" TERM INT HUP; while :; do sleep 0.05; done ;;
daemon) setsid sleep 1000 & echo $! >>"$0.pids"; cat ;;
flood) exec cat /dev/zero ;;
complain) exec cat /dev/zero >&2 ;;
disk) exec cat /dev/zero >more ;;
memory) exec awk 'BEGIN { s = "leak"; for (;;) s = s s }' ;;
crash) kill -SEGV $$ ;;
never) echo "The lens cap was on." >&2; exit 65 ;;
later) exit 75 ;;
fail) exit 1 ;;
esac`

// programs starts a system whose processor is the script, and returns how the submit of
// an image with a way to behave is done, and a function that tells what is left.
func programs(t *testing.T, vars ...string) (s *apptest.System, submit func(how string) (location string), left func() []string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(badPrograms), 0o600); err != nil {
		t.Fatal(err)
	}
	s = apptest.Start(t, append([]string{"PROCESSOR=exec:sh '" + script + "' {how}", "MAX_OUTPUT_BYTES=1MiB", "MAX_IMAGE_BYTES=1MiB", "PROCESSOR_MEMORY=64MiB", "LEASE=60s"}, vars...)...)
	image := mixed(t, 0).bytes
	submit = func(how string) string {
		t.Helper()
		a := s.Submit(t, image, "params", fmt.Sprintf(`{"how": %q}`, how))
		if a.StatusCode != 202 {
			t.Fatalf("submit: %s", a.Bytes)
		}
		return a.Header.Get("Location")
	}
	left = func() (things []string) {
		pids, err := os.ReadFile(script + ".pids")
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(pids)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			stat, err := os.ReadFile("/proc/" + field + "/stat")
			if syscall.Kill(pid, 0) == nil && err == nil && !strings.Contains(string(stat), ") Z ") {
				things = append(things, "process "+string(stat))
			}
		}
		dirs, err := os.ReadFile(script + ".dirs")
		if err != nil {
			t.Fatal(err)
		}
		for dir := range strings.Lines(string(dirs)) {
			dir = strings.TrimSuffix(dir, "\n")
			if _, err := os.Lstat(dir); !os.IsNotExist(err) {
				things = append(things, "folder "+dir)
			}
		}
		return things
	}
	return s, submit, left
}

// TestHangingJobDelaysNoOther has a job hang in one of a worker's two hands: all others are
// carried out meanwhile. Stopped, the worker ends the program, and gives the job back
// without an attempt.
func TestHangingJobDelaysNoOther(t *testing.T) {
	t.Parallel()
	s, submit, left := programs(t, "CONCURRENCY=2", "PROCESS_TIMEOUT=5m", "SHUTDOWN_GRACE=0s")
	stop := s.StartWorker(t)
	bad := submit("hang")
	for range 20 {
		if got := apptest.Await(t, submit("well")).JSON(t); got["status"] != "completed" {
			t.Fatalf("in the end %v", got)
		}
	}
	if got := apptest.Get(t, bad).JSON(t); got["status"] != "processing" {
		t.Errorf("the bad one meanwhile: %v", got)
	}
	if got := len(left()); got < 2 {
		t.Errorf("%d things are there while it hangs, not its process and folder", got)
	}
	stop()
	if got := apptest.Get(t, bad).JSON(t); got["attempts"] != 0.0 {
		t.Errorf("the bad one in the end: %v", got)
	}
	if got := left(); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// TestWorkerOutlivesItsPrograms sends every kind of bad job through a worker, with good
// ones between: each ends as it should, and nothing is left of any.
func TestWorkerOutlivesItsPrograms(t *testing.T) {
	t.Parallel()
	outlives(t, "1m", map[string]string{
		"well": "", "daemon": "", "flood": "the processor's result has more bytes than this service hands out",
		"disk":   "given up after 1 attempt: the processor failed (signal: file size limit exceeded)",
		"memory": "given up after 1 attempt: the processor failed (exit status 2)",
		"crash":  "given up after 1 attempt: the processor failed (signal: segmentation fault)",
		"never":  "The lens cap was on",
		"later":  "given up after 1 attempt: the processor cannot work now",
		"fail":   "given up after 1 attempt: the processor failed (exit status 1)",
	})
}

// TestWorkerEndsPrograms is TestWorkerOutlivesItsPrograms of those that come to no end.
func TestWorkerEndsPrograms(t *testing.T) {
	t.Parallel()
	const tooLong = "given up after 1 attempt: processing took longer than 1s"
	outlives(t, "1s", map[string]string{"hang": tooLong, "stubborn": tooLong, "complain": tooLong})
}

// outlives sends a job of each way to behave through a worker twice, in any order: all
// end with the message, or completed if it is empty.
func outlives(t *testing.T, timeout string, want map[string]string) {
	t.Helper()
	s, submit, left := programs(t, "CONCURRENCY=4", "PROCESS_TIMEOUT="+timeout, "MAX_ATTEMPTS=1")
	s.StartWorker(t)
	locations := map[string]string{}
	for range 2 {
		for how := range want {
			locations[submit(how)] = how
		}
	}
	for location, how := range locations {
		got := apptest.Await(t, location).JSON(t)
		message, _ := got["message"].(string)
		if message != want[how] || (got["status"] == "completed") != (message == "") {
			t.Errorf("%s: got %v %q, want %q", how, got["status"], message, want[how])
		}
	}
	if got := left(); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
