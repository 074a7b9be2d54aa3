// Package process runs the service's processes as a host would: built binaries with their
// environment, started, measured, stopped or killed. Benchmarks, the chaos program and
// tests of whole processes use it.
package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is one running process. Its methods may be called from several goroutines.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex // guards err
	err  error      // of Wait
	tail *tail
}

// Start runs a built command with exactly this environment, beside PATH and HOME.
func (f *Binaries) Start(name string, env []string, args ...string) (*Process, error) {
	return f.StartIn("", name, env, args...)
}

// StartIn is Start in a working directory; an empty one is that for temporary files.
func (f *Binaries) StartIn(dir, name string, env []string, args ...string) (*Process, error) {
	cmd := exec.Command(filepath.Join(f.dir, name), args...)
	cmd.Dir = dir
	return start(cmd, env, f.log)
}

func start(cmd *exec.Cmd, env []string, log io.Writer) (*Process, error) {
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true"}, env...)
	p := &Process{cmd: cmd, done: make(chan struct{}), tail: &tail{next: log}}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	if cmd.Dir == "" { // that of the test may be the data folder of awstest, which goes first
		cmd.Dir = os.TempDir()
	}
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// Signal sends a signal; it is not an error when the process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait waits for the end and returns how it was, as exec.Cmd.Wait does.
func (p *Process) Wait() error {
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process by SIGKILL and waits for that.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop ends the process by SIGTERM and waits, at the longest for the given time.
func (p *Process) Stop(limit time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.Wait()
	case <-time.After(limit):
		p.Kill()
		return fmt.Errorf("did not stop within %s", limit)
	}
}

// Output is the last of what the process printed, up to 64 KiB.
func (p *Process) Output() string { return p.tail.String() }

// PeakRSS is the most resident memory that the process has had so far, in bytes.
func (p *Process) PeakRSS() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(v, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the process's status has no VmHWM")
}

// CPU is the processor time that the process has taken so far, user and system: in
// hundredths of a second while it runs, precise when it has ended.
func (p *Process) CPU() (time.Duration, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
	default:
	}
	return cpuOf(p.cmd.Process.Pid)
}

// cpuOf is the processor time of a process that runs.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold anything (proc(5)).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("the process's stat is too short")
	}
	var ticks int64
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ is 100 on every Linux
}

// FreePort returns a port of loopback on which no process listens. The port is below those
// that systems hand out by themselves. It stays reserved until this process ends: every
// caller, of this process or another, takes the UDP socket of the same number first.
func FreePort() (int, error) {
	for range portCount {
		port := firstPort + int(nextPort.Add(1)%portCount)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		reserved, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			reserved.Close()
			continue
		}
		reservations.Store(port, reserved)
		return port, l.Close()
	}
	return 0, errors.New("no port of 127.0.0.1 is free")
}

// reservations keeps the sockets of FreePort open until this process ends.
var reservations sync.Map

const firstPort, portCount = 15_000, 15_000

// nextPort begins somewhere else in each process.
var nextPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(portCount))
	return &n
}()

// Await polls url until it answers 200, the process ends or ctx does.
func (p *Process) Await(ctx context.Context, url string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("the process ended: %v: %s", p.Wait(), p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", url, ctx.Err(), p.Output())
		}
	}
}

// tail keeps the last of what is written, and passes it on.
type tail struct {
	mu   sync.Mutex // guards buf
	buf  []byte
	next io.Writer // may be nil
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - 64<<10; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	if t.next != nil {
		_, _ = t.next.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
