package supervisor

import (
	"bytes"
	"os"
	"strconv"
)

// Process is one that runs.
type Process struct {
	PID      int
	Resident uint64 // bytes of memory
}

// Descendants returns the processes that a process has started, and those that these have.
// It has what it could read.
func Descendants(of int) (all []Process) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	children := map[int][]Process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		const parent, resident = 1, 21 // of what follows the program's name; see proc_pid_stat(5)
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) <= resident {
			continue
		}
		ppid, _ := strconv.Atoi(string(fields[parent]))
		pages, _ := strconv.ParseUint(string(fields[resident]), 10, 64)
		children[ppid] = append(children[ppid], Process{pid, pages * uint64(os.Getpagesize())})
	}
	for next := []int{of}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		for _, p := range children[next[0]] {
			next = append(next, p.PID)
		}
		delete(children, next[0])
	}
	return all
}
