package vips

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command/sandbox"
)

// process is one that has libvips.
type process struct {
	hello  Hello
	cmd    *exec.Cmd
	in     *os.File // its standard input
	out    *os.File // its standard output
	reader *bufio.Reader
	stderr sandbox.Tail
	memory int64 // bytes, that it may have
	jobs   int   // that it has carried out

	end    sync.Once
	ending chan struct{} // closed when it is to be ended
	exited chan struct{}
	status error // how it has ended, to be read when exited is closed
	excess error // of more than its limits; likewise
}

// lookTime is how often the watch looks at what a process has taken.
const lookTime = 100 * time.Millisecond

// reserved is the address space that Go sets aside and does not use, in bytes.
const reserved = 2 << 30

// environment is all that a process sees of it. One arena of the C library's is enough for
// one job, and gives back what the next does not need.
var environment = []string{"MALLOC_ARENA_MAX=1", "GOMAXPROCS=1", "GOGC=50"}

// startProcess starts one, and returns it when it has locked itself in.
func startProcess(ctx context.Context, opts Options) (*process, error) {
	p := &process{
		ending: make(chan struct{}),
		exited: make(chan struct{}),
		memory: opts.MaxMemory,
	}
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("vips engine: %w", err)
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("vips engine: %w", err)
	}
	p.in, p.out, p.reader = in, out, bufio.NewReaderSize(out, 64<<10)
	p.cmd = &exec.Cmd{Path: opts.Path, Args: []string{opts.Path}, Dir: "/", Env: environment, Stdin: stdin, Stdout: stdout, Stderr: &p.stderr, WaitDelay: time.Second}
	err = sandbox.Start(p.cmd, sandbox.Limits{
		Memory: uint64(opts.MaxMemory) + reserved,
		CPU:    maxJobs * (uint64(opts.Timeout/time.Second) + 1) * uint64(runtime.NumCPU()),
		// It writes no file.
	})
	stdout.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("start %s: %w", opts.Path, err)
	}
	go p.watch()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	defer context.AfterFunc(ctx, p.kill)()
	if err := p.greet(); err != nil {
		p.kill()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, p.detail(fmt.Errorf("start %s: %w", opts.Path, err))
	}
	return p, nil
}

// greet reads what the process says of itself.
func (p *process) greet() error {
	kind, payload, err := ReadFrame(p.reader)
	switch {
	case err != nil:
		return fmt.Errorf("it ended without a hello: %w", err)
	case kind != FrameHello:
		return fmt.Errorf("it begins with frame %q", kind)
	}
	if err := json.Unmarshal(payload, &p.hello); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if p.hello.Protocol != Protocol {
		return fmt.Errorf("it speaks protocol %d, and this worker %d: build both from one source", p.hello.Protocol, Protocol)
	}
	return nil
}

// watch waits for the process's end, and brings it about when it is asked to or the
// process has taken too much.
func (p *process) watch() {
	defer close(p.exited)
	pid := p.cmd.Process.Pid
	ended := make(chan struct{})
	go func() {
		sandbox.AwaitExit(pid)
		close(ended)
	}()
	look := time.NewTimer(lookTime)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case <-ended:
			waiting = false
		case <-p.ending:
			waiting = false
		case <-look.C:
			if n := p.resident(); n > p.memory {
				p.excess = job.Wrap(job.Unknown, fmt.Errorf("vips engine was ended with %d bytes of memory, of %d", n, p.memory), "the image engine took more memory than it may")
				waiting = false
			}
			look.Reset(lookTime)
		}
	}
	sandbox.KillGroup(pid)
	<-ended
	p.status = p.cmd.Wait()
	sandbox.ReapGroup(pid)
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process and waits for its end.
func (p *process) kill() {
	p.end.Do(func() { close(p.ending) })
	<-p.exited
	p.in.Close()
	p.out.Close()
}

// resident is the process's memory in bytes; zero when it has ended.
func (p *process) resident() int64 {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// detail adds the end of standard error, for the operator.
func (p *process) detail(err error) error {
	if text := p.stderr.Text(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}
