package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// family returns the numbers of the process and its children.
func (p *Process) family() ([]int, error) {
	pids := []int{p.cmd.Process.Pid}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pids[0]))
	if err != nil {
		return nil, err
	}
	for _, task := range tasks {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pids[0], task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Children returns the numbers of the processes that this one has started and that run.
func (p *Process) Children() ([]int, error) {
	pids, err := p.family()
	if err != nil {
		return nil, err
	}
	return pids[1:], nil
}

// FamilyCPU returns the processor time of the process and its children so far.
func (p *Process) FamilyCPU() (sum time.Duration, err error) {
	pids, err := p.family()
	for _, pid := range pids {
		cpu, cerr := cpuOf(pid)
		if cerr != nil {
			return 0, cerr
		}
		sum += cpu
	}
	return sum, err
}

// ForgetPeaks resets FamilyPeak.
func (p *Process) ForgetPeaks() error {
	pids, err := p.family()
	for _, pid := range pids {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return err
}

// FamilyPeak returns the sum of the peak resident memory of the process and its children,
// in bytes. It counts shared pages for each.
func (p *Process) FamilyPeak() (sum int64, err error) {
	pids, err := p.family()
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
		text, _, _ := strings.Cut(strings.TrimSpace(string(rest)), " ")
		kib, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += kib << 10
	}
	return sum, err
}
