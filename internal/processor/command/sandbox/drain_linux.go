package sandbox

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Drain reads the rest of a pipe whose writers have been killed. It returns at once when
// the pipe is empty, since a process outside of the run may hold the other end forever. It
// ends the deadline of earlier reads.
func Drain(pipe *os.File, p []byte) (n int, err error) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := pipe.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	if rerr := conn.Read(func(fd uintptr) bool {
		for {
			if n, err = unix.Read(int(fd), p); err != unix.EINTR {
				return true
			}
		}
	}); rerr != nil {
		return 0, rerr
	}
	if err == unix.EAGAIN || (err == nil && n == 0) {
		return 0, io.EOF
	}
	return max(n, 0), err
}
