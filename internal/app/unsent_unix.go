//go:build linux || darwin

package app

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentBytes is how much of an answer the kernel takes before it can send it: two pieces
// of an output. By default it takes megabytes for a client that reads nothing, which cost
// as much to fetch from storage. What is on its way to the client is not bounded by it, so
// that fast clients far away are as fast as before.
const unsentBytes = 256 << 10

// boundUnsent applies it to a connection. Without it the connection works as well.
func boundUnsent(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
	})
}
