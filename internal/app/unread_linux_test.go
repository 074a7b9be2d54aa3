package app

import (
	"net"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"golang.org/x/sys/unix"

	"claimcheck.example/internal/awsclient"
)

// TestUnreadBytesAreBounded asks the kernel whether the receive buffer of a connection to S3
// has a fixed size: it has in a process that passes outputs on, and in a worker it grows.
func TestUnreadBytesAreBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, passesOn := range []bool{true, false} {
		clients := newAWSClients(nil, nil)
		clients.passesOn = passesOn
		transport := clients.http(awsclient.HTTP(nil, nil)).(*awshttp.BuildableClient).GetTransport()
		c, err := transport.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var locks int
		const ofReceiving = 2 // SOCK_RCVBUF_LOCK
		if err := raw.Control(func(fd uintptr) { locks, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK) }); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Skipf("this kernel does not say whether the size is fixed: %v", err)
		}
		if fixed := locks&ofReceiving != 0; fixed != passesOn {
			t.Errorf("passes outputs on: %v; fixed size: %v", passesOn, fixed)
		}
	}
}
