package supervisor

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// step is a system call of the program's process before the program, prepared before that
// process is made: it is a fork of this one without its other threads, so that it can do
// nothing in Go but calls.
type step struct {
	name string
	trap uintptr
	args [5]arg
}

// arg is a number, or a pointer that keeps alive what it points to.
type arg struct {
	n uintptr
	p unsafe.Pointer
}

func num(n int) arg { return arg{n: uintptr(n)} }

func ptr[T any](p *T) arg { return arg{p: unsafe.Pointer(p)} }

func prctl(name string, option, value, third int) step {
	return step{name, unix.SYS_PRCTL, [5]arg{num(option), num(value), num(third)}}
}

// start starts the program behind its walls, and returns its process's number.
func start(o *Order, args []string) (pid int, err error) {
	steps := []step{{"setpgid", unix.SYS_SETPGID, [5]arg{}}} // a group of its own
	if o.UID != 0 {
		steps = append(steps, becomeUser(o.UID)...)
	}
	steps = append(steps,
		// It ends with this process. A change of user would take that back.
		prctl("set the parent's death signal", unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0),
		// No program that belongs to another user gives it that user's rights.
		prctl("set no_new_privs", unix.PR_SET_NO_NEW_PRIVS, 1, 0),
	)
	ruleset, err := newRuleset(o.Runs, o.Prefix, o.Dir)
	switch {
	case err == nil:
		defer unix.Close(ruleset)
		steps = append(steps, step{"enter the Landlock domain", unix.SYS_LANDLOCK_RESTRICT_SELF, [5]arg{num(ruleset)}})
	case o.Walled: // else the worker's log has said so when it started
		return 0, err
	}
	for _, limit := range []struct {
		name  string
		what  int
		value unix.Rlimit
	}{
		{"limit memory", unix.RLIMIT_AS, unix.Rlimit{Cur: o.Memory, Max: o.Memory}},
		{"limit processor time", unix.RLIMIT_CPU, unix.Rlimit{Cur: o.CPU, Max: o.CPU + 1}}, // a signal that has a name, before the one that none survives
		{"limit files", unix.RLIMIT_FSIZE, unix.Rlimit{Cur: o.File, Max: o.File}},
		{"limit core files", unix.RLIMIT_CORE, unix.Rlimit{}},
	} {
		value := limit.value
		steps = append(steps, step{limit.name, unix.SYS_PRLIMIT64, [5]arg{num(0), num(limit.what), ptr(&value)}})
	}
	path, err := syscall.BytePtrFromString(o.Path)
	if err != nil {
		return 0, err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return 0, err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return 0, err
	}
	// Signals wait while the fork is made: it has this process's handlers and cannot run them.
	// The mask is the thread's, and so is the death of which the kernel tells the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return 0, fmt.Errorf("block signals: %w", err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	unblocked := before
	// It has none of them when its signals come.
	steps = append(steps, dropHandlers()...)
	steps = append(steps,
		step{"unblock signals", unix.SYS_RT_SIGPROCMASK, [5]arg{num(unix.SIG_SETMASK), ptr(&unblocked), {}, num(sigsetSize)}},
		step{"execute " + o.Path, unix.SYS_EXECVE, [5]arg{ptr(path), ptr(&argv[0]), ptr(&envv[0])}},
	)
	return fork(steps)
}

// sigsetSize is the size of a set of signals for the kernel, in bytes.
const sigsetSize = 8

// dropHandlers sets the signals that this process handles to their default. What it ignores
// stays ignored.
func dropHandlers() (steps []step) {
	type action struct{ handler, flags, restorer, mask uintptr }
	const ignore = 1
	for sig := 1; sig <= 64; sig++ {
		now := new(action)
		_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(now)), sigsetSize, 0, 0)
		if errno == 0 && now.handler > ignore {
			steps = append(steps, step{"drop a signal handler", unix.SYS_RT_SIGACTION, [5]arg{num(sig), ptr(new(action)), {}, num(sigsetSize)}})
		}
	}
	return steps
}

// becomeUser gives the process a user and a group of its own. It keeps root's way with the
// permissions of files, since the programs and files that a worker of root names may be
// root's alone: Landlock bounds what it reaches.
func becomeUser(uid int) []step {
	const caps = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{{Effective: caps, Permitted: caps, Inheritable: caps}}
	id := num(uid)
	return []step{
		prctl("keep capabilities", unix.PR_SET_KEEPCAPS, 1, 0),
		{"setgroups", unix.SYS_SETGROUPS, [5]arg{}},
		{"setresgid", unix.SYS_SETRESGID, [5]arg{id, id, id}},
		{"setresuid", unix.SYS_SETRESUID, [5]arg{id, id, id}},
		{"capset", unix.SYS_CAPSET, [5]arg{ptr(header), ptr(data)}},
		prctl("pass on a capability", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_DAC_OVERRIDE),
		prctl("pass on a capability", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_DAC_READ_SEARCH),
	}
}

// fork has a copy of this process do the steps, of which the last one does not return. An
// error is that of a step.
func fork(steps []step) (pid int, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	failed := new([2]uint32) // the step, and why
	n, errno := rawFork(steps, pipe[1], failed)
	runtime.KeepAlive(steps)
	unix.Close(pipe[1])
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	report := (*[unsafe.Sizeof(*failed)]byte)(unsafe.Pointer(failed))[:]
	for {
		switch got, err := unix.Read(pipe[0], report); {
		case err == unix.EINTR:
			continue
		case err == nil && got == len(report):
			_, _ = unix.Wait4(n, nil, 0, nil)
			return 0, fmt.Errorf("%s: %w", steps[failed[0]].name, syscall.Errno(failed[1]))
		}
		return n, nil
	}
}

// rawFork returns in the parent only.
//
//go:norace
//go:noinline
func rawFork(steps []step, report int, failed *[2]uint32) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	for i := range steps {
		var v [5]uintptr
		for j := range v {
			v[j] = steps[i].args[j].n
			if p := steps[i].args[j].p; p != nil {
				v[j] = uintptr(p)
			}
		}
		if _, _, errno = syscall.RawSyscall6(steps[i].trap, v[0], v[1], v[2], v[3], v[4], 0); errno != 0 {
			failed[0], failed[1] = uint32(i), uint32(errno)
			break
		}
	}
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(report), uintptr(unsafe.Pointer(failed)), unsafe.Sizeof(*failed))
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}
