package sandbox

import (
	"bytes"
	"io"
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

// Scratch is the directory of one run. It is locked while this process lives and the run
// needs it: an unlocked one belongs to a worker that was killed.
type Scratch struct {
	Dir  string
	lock *os.File
	uid  int       // of its program; 0 is this process's
	user io.Closer // while the user is this run's alone
}

// NewScratch makes one in the folder for temporary files.
func NewScratch() (*Scratch, error) {
	for {
		dir, err := os.MkdirTemp("", scratchPrefix)
		if err != nil {
			return nil, err
		}
		s, err := lockScratch(dir, syscall.LOCK_EX)
		if os.IsNotExist(err) { // another worker's sweep removed it before the lock; try again
			continue
		}
		if err != nil {
			return nil, err
		}
		s.uid, s.user = claimUser(0)
		if s.uid == 0 && firstUser() != 0 { // a program can take all names: no other one becomes root by that
			err = errNoUser
		} else {
			err = s.Give(dir)
		}
		if err != nil {
			_ = s.Remove()
			return nil, err
		}
		return s, nil
	}
}

// OwnUser reports whether the program runs as a user of its own.
func (s *Scratch) OwnUser() bool { return s.uid != 0 }

// Give gives a file to the program's user.
func (s *Scratch) Give(name string) error {
	if s.uid == 0 {
		return nil
	}
	return os.Lchown(name, s.uid, s.uid)
}

// lockScratch takes over an existing directory.
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
	return &Scratch{Dir: dir, lock: lock}, nil
}

// Remove removes the directory with everything in it, and then releases the lock.
func (s *Scratch) Remove() error {
	defer s.lock.Close()
	if s.user != nil {
		defer s.user.Close()
	}
	if os.RemoveAll(s.Dir) == nil {
		return nil
	}
	// The program may have taken its own access to folders away.
	_ = filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(s.Dir)
}

// Sweep removes the directories of killed workers, and kills the processes that still run
// in them. It leaves what it cannot lock or remove, which belongs to others.
func Sweep() {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		if s, err := lockScratch(dir, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			if info, err := s.lock.Stat(); err == nil {
				// Not if another run has that user by now.
				s.uid, s.user = claimUser(int(info.Sys().(*syscall.Stat_t).Uid))
			}
			s.killStrays()
			_ = s.Remove()
		}
	}
}

// strayTime bounds the search for processes that do not end.
const strayTime = 2 * time.Second

// killStrays kills the processes that were started in the directory and have no supervisor
// any more. It recognises them by their user, their TMPDIR or their working directory. They
// may start others meanwhile, so it repeats until it finds none.
func (s *Scratch) killStrays() {
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
		_, _ = syscall.Wait4(pid, nil, 0, nil) // fails unless this process inherits orphans
	}
}

// strays returns the processes that belong to the directory and have not ended.
func (s *Scratch) strays() (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // a partial list is enough
	mark := []byte("\x00TMPDIR=" + s.Dir + "\x00")
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + name + "/environ") // unreadable: another user's, or it has ended
		cwd, _ := os.Readlink("/proc/" + name + "/cwd")
		if s.uid != 0 && userOf(name) == s.uid || bytes.Contains(append([]byte{0}, environ...), mark) || cwd == s.Dir || strings.HasPrefix(cwd, s.Dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}
