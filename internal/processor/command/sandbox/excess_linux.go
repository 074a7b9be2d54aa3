package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command/sandbox/supervisor"
)

// Exceeded returns an error when the processes of a run together exceed the limits, which
// the kernel enforces only for each process.
func (l Limits) Exceeded(r *Run) error {
	all := supervisor.Descendants(r.cmd.Process.Pid)
	if len(all) > l.Processes {
		return excess("the processor started more processes than it may", "%d processes, of %d", len(all), l.Processes)
	}
	var memory uint64
	for _, p := range all {
		memory += p.Resident
	}
	if memory > l.Memory { // at most: shared pages were counted more than once
		memory = 0
		for _, p := range all {
			memory += share(p)
		}
	}
	if memory > l.Memory {
		return excess("the processor took more memory than it may", "%d bytes of memory in %d processes, of %d", memory, len(all), l.Memory)
	}
	if disk := l.diskUse(r.scratch.Dir); disk > l.Disk {
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

// share returns the process's memory, in which shared pages are divided among their
// users. A process that has ended has none: its earlier size would count pages again that
// the others now have to themselves.
func share(p supervisor.Process) uint64 {
	dir := "/proc/" + strconv.Itoa(p.PID)
	rollup, err := os.ReadFile(dir + "/smaps_rollup")
	_, rest, _ := strings.Cut(string(rollup), "\nPss:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, perr := strconv.ParseUint(kib, 10, 64)
	if err == nil && perr == nil {
		return n << 10
	}
	statm, err := os.ReadFile(dir + "/statm")
	fields := strings.Fields(string(statm))
	if err != nil || len(fields) < 2 || fields[0] == "0" { // of an ended process that its parent has not awaited
		return 0
	}
	return p.Resident
}
