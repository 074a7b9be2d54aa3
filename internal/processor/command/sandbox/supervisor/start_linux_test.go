package supervisor

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoStartWithoutTheWall asks for a domain with a folder that is not there.
func TestNoStartWithoutTheWall(t *testing.T) {
	t.Parallel()
	runs := t.TempDir()
	if _, err := Look(runs, "run-"); err != nil {
		t.Skipf("this kernel does not keep the folders of runs apart: %v", err)
	}
	o := &Order{Path: "/proc/self/exe", Runs: runs, Dir: filepath.Join(runs, "run-gone"), Prefix: "run-", Walled: true, Memory: 1 << 40, CPU: 10, File: 1 << 20}
	pid, err := start(o, []string{"true", "-test.run=^$"})
	if err == nil {
		_, _ = unix.Wait4(pid, nil, 0, nil)
		t.Error("a program started without its domain")
	}
}
