package dirstore

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openUnnamed creates a file without a name. The system removes it with its last descriptor,
// unless linkUnnamed names it.
func openUnnamed(folder string) (*os.File, error) {
	fd, err := unix.Open(folder, unix.O_WRONLY|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	return os.NewFile(uintptr(fd), folder), nil
}

// linkUnnamed names a file of openUnnamed. It needs /proc.
func linkUnnamed(f *os.File, name string) error {
	old := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, old, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: old, New: name, Err: err}
	}
	return nil
}
