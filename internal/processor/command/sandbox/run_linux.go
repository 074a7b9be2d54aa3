package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"claimcheck.example/internal/processor/command/sandbox/supervisor"
)

// Run is a program that has been started, under a supervisor.
type Run struct {
	scratch *Scratch
	cmd     *exec.Cmd // the supervisor
	leader  int       // the program's own process
	reports *os.File
	lines   *bufio.Reader
	life    *os.File
}

// Supervise starts the program in the folder of the run, behind the walls that this kernel
// has, with the limits in force from its first instruction. Its process group is its own.
// Its files are the standard ones and one more.
func Supervise(cmd *exec.Cmd, l Limits, s *Scratch) (*Run, error) {
	if len(cmd.ExtraFiles) != 1 {
		return nil, fmt.Errorf("%d more files than the standard ones, not 1", len(cmd.ExtraFiles))
	}
	runs, err := filepath.EvalSymlinks(filepath.Dir(s.Dir)) // walls go by true names
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(supervisor.Order{
		Path: cmd.Path, Dir: s.Dir, Runs: runs, Prefix: scratchPrefix, UID: s.uid, Walled: walled(),
		Memory: l.Memory, CPU: l.CPU, File: l.File,
	})
	if err != nil {
		return nil, err
	}
	reports, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer report.Close()
	alive, life, err := os.Pipe()
	if err != nil {
		reports.Close()
		return nil, err
	}
	defer alive.Close()
	cmd.Path, cmd.Args = "/proc/self/exe", append([]string{supervisor.Name, string(order)}, cmd.Args...)
	cmd.ExtraFiles = append(cmd.ExtraFiles, report, alive)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's signals are for the worker
	r := &Run{scratch: s, cmd: cmd, reports: reports, lines: bufio.NewReader(reports), life: life}
	if err := cmd.Start(); err != nil {
		r.close()
		return nil, err
	}
	report.Close()
	line, _ := r.lines.ReadString('\n') // or why not
	pid, started := strings.CutPrefix(line, "started ")
	if r.leader, err = strconv.Atoi(strings.TrimSpace(pid)); !started || err != nil {
		r.close()
		_ = cmd.Wait()
		s.killStrays() // of a supervisor that was killed before it said so
		return nil, fmt.Errorf("supervisor: %s", line)
	}
	return r, nil
}

func (r *Run) close() {
	r.reports.Close()
	r.life.Close()
}

// End ends all processes of the run.
func (r *Run) End() { r.life.Close() }

// Wait waits until all processes of the run have ended. An *ExitError says how the program
// ended.
func (r *Run) Wait() error {
	defer r.close()
	line, _ := r.lines.ReadString('\n')
	text, ended := strings.CutPrefix(strings.TrimSpace(line), "ended ")
	status, err := strconv.ParseUint(text, 10, 32)
	if !ended || err != nil {
		// Its supervisor was killed. The program ends with it, and the rest is searched for.
		KillGroup(r.leader)
		r.scratch.killStrays()
		ReapGroup(r.leader)
		return errors.New("the supervisor was killed")
	}
	return exitError(syscall.WaitStatus(status))
}

func exitError(status syscall.WaitStatus) error {
	switch {
	case status.Signaled():
		return &ExitError{Code: -1, text: "signal: " + status.Signal().String()}
	case status.ExitStatus() != 0:
		return &ExitError{Code: status.ExitStatus(), text: fmt.Sprintf("exit status %d", status.ExitStatus())}
	}
	return nil
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
