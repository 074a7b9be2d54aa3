package sandbox

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts the program in a process group of its own. Its limits are in force from
// its first instruction: ptrace stops it when it has been loaded, Start sets the limits,
// and lets it run.
func Start(cmd *exec.Cmd, l Limits) error {
	// Only the thread that started a traced process may control it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The kernel ends the program when this process is killed; without that, a kill before
	// the trace ends would leave it stopped forever.
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
