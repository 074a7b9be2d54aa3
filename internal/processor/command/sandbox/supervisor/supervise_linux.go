package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// init takes over a process that was started as a supervisor, in any binary that can run
// commands, tests included. A call in each main could be forgotten, and the binary would
// start itself without end. It runs on the process's first thread, before packages that
// take long to initialize.
func init() {
	if len(os.Args) < 3 || os.Args[0] != Name {
		return
	}
	if err := supervise(os.Args[1], os.Args[2:]); err != nil {
		_, _ = unix.Write(Report, []byte(err.Error()))
		os.Exit(1)
	}
	os.Exit(0)
}

// supervise runs the program to its end, and ends all that it has started.
func supervise(text string, args []string) error {
	var order Order
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	unix.CloseOnExec(Report)
	unix.CloseOnExec(Life)
	// Its memory and environment are nothing for other programs of its user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process to programs: %w", err)
	}
	// Best effort: where there is no such thing, the process group is what can be found.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	leader, err := start(&order, args)
	if err != nil {
		return err
	}
	leaveFiles()
	if _, err := fmt.Fprintf(file(Report), "started %d\n", leader); err != nil {
		killAll()
		return err
	}
	go func() {
		for {
			if _, err := unix.Read(Life, make([]byte, 1)); err != unix.EINTR {
				break
			}
		}
		for { // until this process ends, because they have
			killAll()
			time.Sleep(pause)
		}
	}()
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait: %w", err)
		}
		if err == nil && pid == leader {
			break
		}
	}
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err == unix.ECHILD {
			break
		}
		if pid <= 0 { // some run still, and may start others
			killAll()
			time.Sleep(pause)
		}
	}
	_, err = fmt.Fprintf(file(Report), "ended %d\n", uint32(status))
	return err
}

// pause is the time between two looks for processes that are left.
const pause = time.Millisecond

func killAll() {
	for _, p := range Descendants(os.Getpid()) {
		_ = unix.Kill(p.PID, unix.SIGKILL)
	}
}

// leaveFiles gives up the program's files, which it has by now: its readers and writers
// await their end.
func leaveFiles() {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	for fd := range Report {
		if err != nil || unix.Dup3(null, fd, 0) != nil {
			_ = unix.Close(fd)
		}
	}
}

// file writes to a file that this process has from its start.
type file int

func (f file) Write(p []byte) (int, error) { return unix.Write(int(f), p) }
