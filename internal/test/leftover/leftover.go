// Package leftover makes temporary folders that do not outlive their process for long,
// even when it is killed: the next process that makes such a folder removes them.
package leftover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockName is a file in each folder, locked by its process while that lives.
const lockName = "lock"

// Dir makes a folder for temporary files with that prefix, after it has removed those of
// ended processes. remove removes it.
func Dir(prefix string) (dir string, remove func() error, err error) {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, dir := range dirs {
		if ended(dir) {
			_ = os.RemoveAll(dir)
		}
	}
	for range 10 {
		if dir, err = os.MkdirTemp("", prefix); err != nil {
			return "", nil, err
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, errors.Join(err, os.RemoveAll(dir))
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if _, gone := os.Stat(lock.Name()); err == nil && gone == nil {
			return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
		}
		lock.Close() // another process mistook it for that of an ended process just before the lock
	}
	return "", nil, fmt.Errorf("lock a folder %s*: other processes remove it", prefix)
}

// ended reports whether the process of a folder has ended. A new folder has no lock yet.
func ended(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		info, err := os.Stat(dir)
		return err == nil && time.Since(info.ModTime()) > 10*time.Minute
	}
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
