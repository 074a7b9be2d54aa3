package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// users are how many runs on a machine can have a user of their own at once.
const users = 500

// firstUser is the first of the users that runs have, or 0 where this process may give
// them none. They are numbers without a name: high ones that no distribution hands out, or
// in a user namespace, which seldom has these, those that Debian reserves.
var firstUser = sync.OnceValue(func() int {
	const needed = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if os.Geteuid() != 0 || unix.Capget(&header, &caps[0]) != nil || caps[0].Effective&needed != needed {
		return 0
	}
	for _, first := range []int{1_900_000_000, 65_000} {
		if mapped("/proc/self/uid_map", first) && mapped("/proc/self/gid_map", first) {
			return first
		}
	}
	return 0
})

// mapped reports whether a user namespace has all of the numbers that begin with first.
func mapped(name string, first int) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var inside, outside, n int
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &n); err == nil && inside <= first && first+users <= inside+n {
			return true
		}
	}
	return false
}

// errNoUser refuses a run that would have this process's user in place of one of its own.
var errNoUser = fmt.Errorf("all %d users of runs on this machine are taken", users)

// claimUser returns a user that no other run on this machine has until it is closed. Only
// narrows it to one. It is 0 where there is none.
//
// A process claims a user by the abstract socket of that user's name, which the kernel takes
// back from a process that is killed.
func claimUser(only int) (uid int, release io.Closer) {
	first := firstUser()
	if first == 0 || only != 0 && (only < first || only >= first+users) {
		return 0, nil
	}
	for i := range users {
		uid := first + i
		if only != 0 && only != uid {
			continue
		}
		if l, err := net.Listen("unix", "@claimcheck-user-"+strconv.Itoa(uid)); err == nil {
			return uid, l
		}
	}
	return 0, nil
}

// userOf returns the user of a process, or -1. The owner of its folder in /proc is not
// always that.
func userOf(pid string) int {
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	_, after, _ := strings.Cut(string(status), "\nUid:\t")
	text, _, _ := strings.Cut(after, "\t")
	uid, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return uid
}
