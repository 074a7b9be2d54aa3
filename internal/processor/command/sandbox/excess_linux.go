package sandbox

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"claimcheck.example/internal/job"
)

// Exceeded returns an error when the processes of a run together exceed the limits, which
// the kernel enforces only for each process.
func (l Limits) Exceeded(leader int, dir string) error {
	all := family(leader)
	if len(all) > l.Processes {
		return excess("the processor started more processes than it may", "%d processes, of %d", len(all), l.Processes)
	}
	var memory uint64
	for _, p := range all {
		memory += p.resident
	}
	if memory > l.Memory { // at most: shared pages were counted more than once
		memory = 0
		for _, p := range all {
			memory += p.share()
		}
	}
	if memory > l.Memory {
		return excess("the processor took more memory than it may", "%d bytes of memory in %d processes, of %d", memory, len(all), l.Memory)
	}
	if disk := l.diskUse(dir); disk > l.Disk {
		return excess("the processor wrote more to its folder than it may", "at least %d bytes in its folder, of %d", disk, l.Disk)
	}
	return nil
}

func excess(message, detail string, args ...any) error {
	return job.Wrap(job.Unknown, fmt.Errorf("processor was ended with "+detail, args...), message)
}

// diskUse adds up the files in a folder, with 4 KiB for each entry. It stops once the sum
// is over the limit.
func (l Limits) diskUse(dir string) (n uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // the file has just gone, or its folder is closed
		}
		n += 4 << 10
		if info, err := d.Info(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				n += uint64(stat.Blocks) * 512
			}
		}
		if n > l.Disk {
			return fs.SkipAll
		}
		return nil
	})
	return n
}

// process is a running process with its memory in bytes.
type process struct {
	pid      int
	resident uint64
}

// family returns the processes of a leader's group, and those that left the group but
// have a parent in the family. It skips processes that it cannot read.
func family(leader int) (all []process) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	member := map[int]bool{leader: true}
	for _, name := range names { // in the order of their numbers, usually parents first
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		const parent, group, resident = 1, 2, 21 // fields after the program's name; see proc_pid_stat(5)
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) <= resident {
			continue
		}
		if pp, _ := strconv.Atoi(string(fields[parent])); string(fields[group]) != strconv.Itoa(leader) && !member[pp] {
			continue
		}
		member[pid] = true
		pages, _ := strconv.ParseUint(string(fields[resident]), 10, 64)
		all = append(all, process{pid, pages * uint64(os.Getpagesize())})
	}
	return all
}

// share returns the process's memory, in which shared pages are divided among their
// users.
func (p process) share() uint64 {
	rollup, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/smaps_rollup")
	if err != nil {
		return p.resident // or it has ended, as the next check will find
	}
	_, rest, _ := strings.Cut(string(rollup), "\nPss:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseUint(kib, 10, 64)
	if err != nil {
		return p.resident
	}
	return n << 10
}
