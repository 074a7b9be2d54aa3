//go:build !linux

package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

var errLinux = errors.New("commands are run on Linux only")

// Run is a program that has been started.
type Run struct{}

// Supervise refuses: without limits and groups a command could not be contained.
func Supervise(*exec.Cmd, Limits, *Scratch) (*Run, error) { return nil, errLinux }

// Start refuses, as Supervise does.
func Start(*exec.Cmd, Limits) error { return errLinux }

// KillGroup does nothing: no program runs.
func KillGroup(int) {}

// AwaitExit returns at once.
func AwaitExit(int) {}

// ReapGroup does nothing.
func ReapGroup(int) {}

// End does nothing.
func (*Run) End() {}

// Wait returns at once.
func (*Run) Wait() error { return errLinux }

// Exceeded finds nothing.
func (Limits) Exceeded(*Run) error { return nil }

// Shut does nothing.
func Shut() error { return nil }

// LookAtWalls finds none.
func LookAtWalls() (Walls, error) { return Walls{}, errLinux }

// Drain finds the end.
func Drain(*os.File, []byte) (int, error) { return 0, io.EOF }

// Scratch is the directory of one run.
type Scratch struct{ Dir string }

// Sweep does nothing.
func Sweep() {}

// NewScratch refuses, as Supervise does.
func NewScratch() (*Scratch, error) { return nil, errLinux }

// OwnUser reports that it does not.
func (*Scratch) OwnUser() bool { return false }

// Give does nothing.
func (*Scratch) Give(string) error { return nil }

// Remove does nothing.
func (*Scratch) Remove() error { return nil }
