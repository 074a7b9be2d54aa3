package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProgramStartsWithoutHandlers forks this process, which handles signals. Where a program
// would begin, the fork stops, and the kernel says which signals it handles.
func TestProgramStartsWithoutHandlers(t *testing.T) {
	t.Parallel()
	none := []byte("\nSigCgt:\t0000000000000000\n")
	if bytes.Contains(statusOf(t, os.Getpid()), none) {
		t.Fatal("this process handles no signals")
	}
	for _, tt := range []struct {
		handlers []step
		dropped  bool
	}{{nil, false}, {dropHandlers(), true}} {
		steps := append(tt.handlers,
			step{"close all files, as the start of a program does", unix.SYS_CLOSE_RANGE, [5]arg{num(3), num(1 << 20)}},
			step{"wait", unix.SYS_PPOLL, [5]arg{}})
		pid, err := fork(steps)
		if errors.Is(err, unix.ENOSYS) {
			t.Skipf("this kernel cannot close files by their range: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := bytes.Contains(statusOf(t, pid), none)
		_ = unix.Kill(pid, unix.SIGKILL)
		for {
			if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
				break
			}
		}
		if got != tt.dropped {
			t.Errorf("the handlers are dropped: %v, want %v", got, tt.dropped)
		}
	}
}

func statusOf(t *testing.T, pid int) []byte {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
