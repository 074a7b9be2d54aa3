// Package sandbox runs a program within limits, apart from the process that runs it, and
// leaves nothing behind: no process and no file.
package sandbox

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound a program.
type Limits struct {
	Memory    uint64 // bytes of address space of each process, and of memory of all
	CPU       uint64 // seconds, of each process
	File      uint64 // bytes of any file it writes
	Disk      uint64 // bytes in its folder
	Processes int
}

// Shut closes this process's environment and memory, and what else ptrace leads to, to all
// others of its user. Root with CAP_SYS_PTRACE can read them still, as the host's root can
// and that of a container cannot by default; and keys that a metadata server hands out are
// there for whoever may ask it, programs included. A program is open again once it is
// loaded, so that the sweep finds those of killed workers.
func Shut() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process to its programs: %w", err)
	}
	return nil
}

// Start starts the program in a process group of its own, with the limits in force from its first instruction:
// it is traced into stopping when it has been loaded, given its limits, and let go.
func Start(cmd *exec.Cmd, l Limits) error {
	// All calls on a traced process must come from the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// It ends with this process even when that is killed; before the trace ends it would
	// be stopped for ever else.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	err := func() error {
		var status syscall.WaitStatus
		for {
			_, err := syscall.Wait4(pid, &status, 0, nil)
			if err == nil {
				break
			}
			if err != syscall.EINTR {
				return fmt.Errorf("wait for stop: %w", err)
			}
		}
		if !status.Stopped() {
			return fmt.Errorf("did not stop: wait status %#x", status)
		}
		for _, limit := range []struct {
			what  int
			value unix.Rlimit
		}{
			{unix.RLIMIT_AS, unix.Rlimit{Cur: l.Memory, Max: l.Memory}},
			{unix.RLIMIT_CPU, unix.Rlimit{Cur: l.CPU, Max: l.CPU + 1}}, // a signal that has a name, before the one that none survives
			{unix.RLIMIT_FSIZE, unix.Rlimit{Cur: l.File, Max: l.File}},
			{unix.RLIMIT_CORE, unix.Rlimit{}},
		} {
			if err := unix.Prlimit(pid, limit.what, &limit.value, nil); err != nil {
				return fmt.Errorf("set limit %d: %w", limit.what, err)
			}
		}
		return syscall.PtraceDetach(pid)
	}()
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return err
}

// KillGroup ends all processes of the group that pid leads. There may be none.
func KillGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// AwaitExit returns when the process has ended, and leaves it to be collected.
func AwaitExit(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// ReapGroup collects what is left of a group that has been killed, where this process is
// who inherits orphans, such as the first of a container. It is nobody's child else.
func ReapGroup(pid int) {
	for {
		if _, err := syscall.Wait4(-pid, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// Drain reads what waits in a pipe whose writers have been killed, and finds its end
// where nothing waits: a process that got away may hold the other end for ever. The
// deadline that ended other reading holds no longer.
func Drain(pipe *os.File, p []byte) (n int, err error) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := pipe.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	if rerr := conn.Read(func(fd uintptr) bool {
		for {
			if n, err = unix.Read(int(fd), p); err != unix.EINTR {
				return true
			}
		}
	}); rerr != nil {
		return 0, rerr
	}
	if err == unix.EAGAIN || (err == nil && n == 0) {
		return 0, io.EOF
	}
	return max(n, 0), err
}
