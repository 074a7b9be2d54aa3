//go:build vips && linux

package main

import (
	"errors"
	"fmt"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// calls are the system calls that stay allowed: for memory, threads, time, and files that
// are already open. None of them opens a file, creates a socket, starts a program or
// touches another process.
var calls = []string{
	"read", "write", "readv", "writev", "pread64", "close", "fstat", "lseek", "fcntl",
	"mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "mincore",
	"futex", "set_robust_list", "rseq", "gettid", "getpid", "exit", "exit_group",
	"sched_yield", "sched_getaffinity", "sched_setaffinity", "membarrier",
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill",
	"setitimer", "timer_create", "timer_settime", "timer_delete",
	"epoll_create1", "epoll_pwait", "epoll_ctl", "eventfd2", "ppoll", "getrandom", "getrusage", "sysinfo", "uname",
}

// lockIn gives up forever what a decoder does not need. It returns the restrictions in
// force, and those that this kernel lacks. It fails when a restriction that is required
// does not work.
func lockIn() (walls, missing []string, err error) {
	// A kernel without Landlock still has the filter below, which also prevents opening
	// files.
	missing = []string{"landlock"}
	for version, config := range []landlock.Config{landlock.V6, landlock.V5, landlock.V4, landlock.V3, landlock.V2, landlock.V1} {
		if config.Restrict() == nil { // without exceptions: nothing can be opened
			walls, missing = append(walls, fmt.Sprintf("landlock %d", 6-version)), nil
			break
		}
	}
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				// Its flags are in memory, which a filter cannot see; without clone3 the C library
				// uses clone.
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
				{Action: seccomp.ActionAllow, Names: calls, NamesWithCondtions: []seccomp.NameWithConditions{{
					Name:       "clone",
					Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}},
				}}},
			},
		},
	}
	if err := seccomp.LoadFilter(filter); err != nil {
		return nil, nil, fmt.Errorf("seccomp filter: %w", err)
	}
	// Only a test proves that it works.
	if _, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0); !errors.Is(err, unix.EPERM) {
		return nil, nil, fmt.Errorf("seccomp filter: a folder can be opened: %v", err)
	}
	return append(walls, "no_new_privs", "seccomp"), missing, nil
}
