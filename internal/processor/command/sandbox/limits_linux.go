// Package sandbox runs a program within limits, apart from the process that starts it,
// and leaves neither a process nor a file behind.
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
	Memory    uint64 // bytes of address space of each process, and of memory of all together
	CPU       uint64 // seconds, of each process
	File      uint64 // bytes of each file that it writes
	Disk      uint64 // bytes in its folder
	Processes int
}

// Shut closes this process's environment and memory, and all else that ptrace reaches, to
// other processes of the same user. Root with CAP_SYS_PTRACE can still read them: the
// host's root can, a container's root by default cannot. Keys of a metadata server are
// not protected: any process, programs included, can ask for them. A program is readable
// again after exec, so that the sweep finds the programs of killed workers.
func Shut() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process to its programs: %w", err)
	}
	return nil
}

// Start starts the program in a process group of its own. Its limits are in force from
// its first instruction: ptrace stops it when it has been loaded, Start sets the limits,
// and lets it run.
func Start(cmd *exec.Cmd, l Limits) error {
	// Only the thread that started a traced process may control it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The kernel ends the program when this process is killed; without that, a kill before
	// the trace ends would leave it stopped for ever.
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
			{unix.RLIMIT_CPU, unix.Rlimit{Cur: l.CPU, Max: l.CPU + 1}}, // SIGXCPU comes first, a second before SIGKILL
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

// KillGroup kills all processes of the group that pid leads. The group may be empty.
func KillGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// AwaitExit returns when the process has ended, without collecting it.
func AwaitExit(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// ReapGroup collects the rest of a killed group where this process inherits orphans, as
// the first process of a container does. Elsewhere they are not its children.
func ReapGroup(pid int) {
	for {
		if _, err := syscall.Wait4(-pid, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// Drain reads the rest of a pipe whose writers have been killed. It returns at once when
// the pipe is empty, since an escaped process may hold the other end for ever. It ends
// the deadline of earlier reads.
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
