package sandbox

import (
	"errors"
	"net"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunWithoutAFreeUserIsRefused takes all users, as a program can, in a network of its own.
func TestRunWithoutAFreeUserIsRefused(t *testing.T) {
	t.Parallel()
	first := firstUser()
	if first == 0 {
		t.Skip("only root can give programs a user of their own")
	}
	refused := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		refused <- err
		if err != nil {
			return
		}
		for uid := first; err == nil && uid < first+users; uid++ {
			var l net.Listener
			if l, err = net.Listen("unix", "@claimcheck-user-"+strconv.Itoa(uid)); err == nil {
				defer l.Close()
			}
		}
		if err != nil {
			t.Error(err)
			return
		}
		s, err := NewScratch()
		if err == nil {
			_ = s.Remove()
		}
		if !errors.Is(err, errNoUser) {
			t.Errorf("got %+v, %v; want a refusal", s, err)
		}
	}()
	if err := <-refused; err != nil {
		t.Skipf("this process may not make a network of its own: %v", err)
	}
	<-done
}
