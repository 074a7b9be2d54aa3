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

// process is one process of the engine.
type process struct {
	hello  Hello
	cmd    *exec.Cmd
	in     *os.File // its standard input
	out    *os.File // its standard output
	reader *bufio.Reader
	stderr sandbox.Tail
	memory int64 // bytes that it may use
	jobs   int   // jobs so far

	end    sync.Once
	ending chan struct{} // closed to end the process
	exited chan struct{}
	status error // how it ended; valid once exited is closed
	excess error // it exceeded a limit; likewise
}

// lookTime is the time between two checks of what a process uses.
const lookTime = 100 * time.Millisecond

// reserved is the address space that Go reserves without using it, in bytes.
const reserved = 2 << 30

// environment is the whole environment of a process. One arena of the C library is enough
// for one job, and returns memory that the next job does not need.
var environment = []string{"MALLOC_ARENA_MAX=1", "GOMAXPROCS=1", "GOGC=50"}

// startProcess starts a process and returns it once it has confined itself.
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
		// It writes no files.
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

// greet reads the process's hello.
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

// watch waits until the process has ended. It kills the process on request, or when it
// has exceeded a limit.
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

// alive reports whether the process still runs.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill kills the process and waits until it has ended.
func (p *process) kill() {
	p.end.Do(func() { close(p.ending) })
	<-p.exited
	p.in.Close()
	p.out.Close()
}

// resident returns the process's memory in bytes; zero when it has ended.
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
