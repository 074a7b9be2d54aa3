//go:build !linux

package command

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

// limits bound a command.
type limits struct {
	memory, cpu, file, disk uint64
	processes               int
}

func (limits) exceeded(int, string) error { return nil }

func shut() error { return nil }

// startLimited refuses: without limits and groups a command could not be contained.
func startLimited(*exec.Cmd, limits) error {
	return errors.New("commands are run on Linux only")
}

func killGroup(int)                       {}
func awaitExit(int)                       {}
func reapGroup(int)                       {}
func drain(*os.File, []byte) (int, error) { return 0, io.EOF }

type scratch struct{ dir string }

func sweep()                        {}
func newScratch() (*scratch, error) { return nil, errors.New("commands are run on Linux only") }
func (*scratch) killStrays()        {}
func (*scratch) remove() error      { return nil }
