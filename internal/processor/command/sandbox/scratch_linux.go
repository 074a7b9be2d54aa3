package sandbox

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scratchPrefix begins the names of scratch directories.
const scratchPrefix = "claimcheck-run-"

// Scratch is the directory of one run. It is locked as long as this process lives and
// the run needs it: one that nobody has locked is of a worker that was killed.
type Scratch struct {
	Dir  string
	lock *os.File
}

func NewScratch() (*Scratch, error) {
	for {
		dir, err := os.MkdirTemp("", scratchPrefix)
		if err != nil {
			return nil, err
		}
		s, err := lockScratch(dir, syscall.LOCK_EX)
		if err == nil || !os.IsNotExist(err) { // swept away before it was locked: another one
			return s, err
		}
	}
}

// lockScratch takes over a directory that is there.
func lockScratch(dir string, how int) (*Scratch, error) {
	lock, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(lock.Fd()), how)
	if err == nil {
		_, err = os.Lstat(dir)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Scratch{dir, lock}, nil
}

// Remove removes the directory with all that is in it, and only then lets go of it.
func (s *Scratch) Remove() error {
	defer s.lock.Close()
	if os.RemoveAll(s.Dir) == nil {
		return nil
	}
	// A program may have closed folders of its own, even to itself.
	_ = filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(s.Dir)
}

// Sweep removes the directories that killed workers have left, and ends what is still at
// work in them. What it cannot lock or remove is somebody else's.
func Sweep() {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		if s, err := lockScratch(dir, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			s.KillStrays()
			_ = s.Remove()
		}
	}
}

// strayTime bounds the search for processes that will not end.
const strayTime = 2 * time.Second

// KillStrays ends the processes that were begun in the directory and have left their
// group: they are known by their TMPDIR, or because they are in there. They may start
// others while they are looked for, so it looks until it sees none.
func (s *Scratch) KillStrays() {
	var killed []int
	for end := time.Now().Add(strayTime); time.Now().Before(end); {
		pids := s.strays()
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		killed = append(killed, pids...)
		time.Sleep(time.Millisecond)
	}
	for _, pid := range killed {
		_, _ = syscall.Wait4(pid, nil, 0, nil) // nobody, unless this process inherits orphans
	}
}

// strays returns the processes that belong to the directory and have not ended.
func (s *Scratch) strays() (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what could be read will do
	mark := []byte("\x00TMPDIR=" + s.Dir + "\x00")
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + name + "/environ") // unreadable: not ours, or gone
		cwd, _ := os.Readlink("/proc/" + name + "/cwd")
		if bytes.Contains(append([]byte{0}, environ...), mark) || cwd == s.Dir || strings.HasPrefix(cwd, s.Dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}
