package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// The versions of Landlock from which on there is what is needed here.
const (
	renames   = 2 // files can be renamed from one folder to another
	truncates = 3
	scopes    = 6 // signals and abstract sockets stay within the domain
)

// Walls are what this kernel keeps runs apart by.
type Walls struct {
	// Folders: a run reaches no file in another one's folder, and with it neither memory,
	// environment nor open files of another one's processes.
	Folders bool
	// Signals: a run sends none to processes that are not its own.
	Signals bool
}

// Look tries them for a folder that holds the folders of runs.
func Look(runs, prefix string) (w Walls, err error) {
	abi, err := version()
	if err != nil {
		return Walls{}, err
	}
	ruleset, err := newRuleset(runs, prefix, runs)
	if err != nil {
		return Walls{}, err
	}
	_ = unix.Close(ruleset)
	return Walls{Folders: true, Signals: abi >= scopes}, nil
}

func version() (int, error) {
	abi, err := landlock.LandlockGetABIVersion()
	if err != nil {
		return 0, fmt.Errorf("landlock: %w", err)
	}
	if abi < renames { // renaming between folders would fail, which programs do
		return 0, fmt.Errorf("landlock: its version is %d, and %d is the first one of use", abi, renames)
	}
	return abi, nil
}

// onFiles are the rights on files other than folders.
const onFiles = landlock.AccessFSExecute | landlock.AccessFSWriteFile | landlock.AccessFSReadFile | landlock.AccessFSTruncate

// newRuleset returns a ruleset that leaves a program all that it had, but for the folder
// that holds the folders of runs: there it has its own one, and what is there by now and
// no folder of a run.
//
// A rule opens a folder with all beneath, and none closes any. So each entry beside the
// path to the folders of runs has a rule of its own. What is made on that path later, such
// as a file in /tmp, is closed.
func newRuleset(runs, prefix, dir string) (fd int, err error) {
	abi, err := version()
	if err != nil {
		return 0, err
	}
	attr := landlock.RulesetAttr{HandledAccessFS: landlock.AccessFSTruncate - 1}
	if abi >= truncates {
		attr.HandledAccessFS |= landlock.AccessFSTruncate
	}
	if abi >= scopes {
		attr.Scoped = landlock.ScopeSignal | landlock.ScopeAbstractUnixSocket
	}
	ruleset, err := landlock.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return 0, fmt.Errorf("landlock: make a ruleset: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(ruleset)
		}
	}()
	for at, rest := "/", strings.Trim(filepath.Clean(runs), "/"); ; {
		var next string
		next, rest, _ = strings.Cut(rest, "/")
		entries, err := os.ReadDir(at)
		if err != nil {
			return 0, fmt.Errorf("landlock: %w", err)
		}
		for _, e := range entries {
			closed := e.Name() == next
			if next == "" {
				closed = strings.HasPrefix(e.Name(), prefix)
			}
			if closed || e.Type()&fs.ModeSymlink != 0 { // what a link leads to has its own
				continue
			}
			rights := attr.HandledAccessFS
			if !e.IsDir() {
				rights &= onFiles
			}
			if err := allow(ruleset, filepath.Join(at, e.Name()), rights); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
		}
		if next == "" {
			break
		}
		at = filepath.Join(at, next)
	}
	if err := allow(ruleset, dir, attr.HandledAccessFS); err != nil {
		return 0, err
	}
	return ruleset, nil
}

func allow(ruleset int, name string, rights uint64) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("landlock: open %s: %w", name, err)
	}
	defer unix.Close(fd)
	if err := landlock.LandlockAddPathBeneathRule(ruleset, &landlock.PathBeneathAttr{AllowedAccess: rights, ParentFd: fd}, 0); err != nil {
		return fmt.Errorf("landlock: allow %s: %w", name, err)
	}
	return nil
}
