package process

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the system kill the process when this one ends in any way: a test
// that is killed at its time limit leaves no process behind.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
