package process_test

import (
	"net"
	"strconv"
	"testing"

	"claimcheck.example/internal/test/process"
)

// TestPortStaysReserved checks that another test process does not get the same port
// between FreePort and the moment when the server listens.
func TestPortStaysReserved(t *testing.T) {
	t.Parallel()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if c, err := net.ListenPacket("udp", addr); err == nil {
		c.Close()
		t.Errorf("port %d is not reserved", port)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
}
