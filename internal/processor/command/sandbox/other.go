//go:build !linux

package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

// Limits bound a program.
type Limits struct {
	Memory, CPU, File, Disk uint64
	Processes               int
}

// Exceeded returns nil.
func (Limits) Exceeded(int, string) error { return nil }

// Shut does nothing.
func Shut() error { return nil }

// Start refuses: without limits and process groups a command could not be contained.
func Start(*exec.Cmd, Limits) error {
	return errors.New("commands are run on Linux only")
}

// KillGroup does nothing: no program runs.
func KillGroup(int) {}

// AwaitExit returns at once.
func AwaitExit(int) {}

// ReapGroup does nothing.
func ReapGroup(int) {}

// Drain returns the end of the output.
func Drain(*os.File, []byte) (int, error) { return 0, io.EOF }

// Scratch is the directory of one run.
type Scratch struct{ Dir string }

// Sweep does nothing.
func Sweep() {}

// NewScratch refuses, as Start does.
func NewScratch() (*Scratch, error) { return nil, errors.New("commands are run on Linux only") }

// KillStrays does nothing.
func (*Scratch) KillStrays() {}

// Remove does nothing.
func (*Scratch) Remove() error { return nil }
