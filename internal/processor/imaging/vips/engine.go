package vips

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command/sandbox"
	"claimcheck.example/internal/processor/imaging"
)

// Options are those of Open. The zero value of a field is its default; Path has none.
type Options struct {
	// Path is the program, cmd/imaging.
	Path string
	// Processes bounds the number of processes, and thus of jobs at once; default one for
	// each processor.
	Processes int
	// Limits bound the input and output of a job.
	Limits imaging.Limits
	// Timeout bounds a job; default 5 minutes.
	Timeout time.Duration
	// MaxMemory bounds the memory of each process, in bytes; default 4 GiB.
	MaxMemory int64
	// Logger receives what only the operator needs to know; none by default.
	Logger *slog.Logger
}

// Engine is a pool of processes with libvips. Each runs one job at a time and stays for
// the next, for up to maxJobs jobs. A process that fails in any other way than by a
// failure frame is killed, with the job it had.
type Engine struct {
	opts  Options
	hello Hello
	took  time.Duration // duration of the first start
	slots chan struct{} // one for each busy process

	mu     sync.Mutex // guards the fields below
	idle   []*process
	all    map[*process]bool
	closed bool
}

var _ imaging.Engine = (*Engine)(nil)

const (
	// maxJobs is the number of jobs after which a process is replaced, so that leaks of a
	// library, or traces of a picture, do not stay forever.
	maxJobs = 100
	// maxResident is the memory above which an idle process is ended, in bytes.
	maxResident = 192 << 20
	// startTime bounds the start of a process.
	startTime = 30 * time.Second
)

// ErrNotFound is Find's error when the program does not exist.
var ErrNotFound = errors.New("there is no program imaging, neither beside this one nor in PATH")

// Find returns the path of the program: beside self, the running program, else in PATH.
func Find(self string) (string, error) {
	const name = "imaging"
	if self != "" {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return filepath.Abs(path)
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("vips engine: %w", ErrNotFound)
	}
	return filepath.Abs(path)
}

// Open starts the first process. Close ends all of them.
func Open(ctx context.Context, opts Options) (*Engine, error) {
	opts.Limits = opts.Limits.WithDefaults()
	if opts.Processes <= 0 {
		opts.Processes = runtime.NumCPU()
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 5 * time.Minute
	}
	if opts.MaxMemory <= 0 {
		opts.MaxMemory = 4 << 30
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := sandbox.Shut(); err != nil {
		return nil, fmt.Errorf("vips engine: %w", err)
	}
	e := &Engine{opts: opts, slots: make(chan struct{}, opts.Processes), all: map[*process]bool{}}
	begun := time.Now()
	p, err := e.start(ctx)
	if err != nil {
		return nil, err
	}
	e.hello, e.took = p.hello, time.Since(begun)
	e.idle = append(e.idle, p)
	return e, nil
}

// Describe implements imaging.Engine.
func (e *Engine) Describe() imaging.Description {
	return imaging.Description{
		Name:         "vips",
		Version:      fmt.Sprintf("libvips %s, imaging %s", e.hello.Libvips, e.hello.Version),
		Capabilities: imaging.Capabilities{Reads: e.hello.Reads, Writes: e.hello.Writes, LossyWebP: true, Animated: true},
	}
}

// Walls returns the restrictions in force on a process, and those that this kernel lacks.
func (e *Engine) Walls() (holds, missing []string) { return e.hello.Walls, e.hello.NoWalls }

// StartTime returns how long the first process took until it was ready.
func (e *Engine) StartTime() time.Duration { return e.took }

// Memory returns the resident memory of all processes, in bytes.
func (e *Engine) Memory() (bytes int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.all {
		bytes += p.resident()
	}
	return bytes
}

// start starts a process, which must be ready before ctx ends.
func (e *Engine) start(ctx context.Context) (*process, error) {
	p, err := startProcess(ctx, e.opts)
	if err != nil {
		return nil, job.Wrap(job.Misconfigured, err, "the worker could not start the image engine")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		p.kill()
		return nil, job.Errorf(job.Unavailable, "the worker is stopping")
	}
	e.all[p] = true
	return p, nil
}

// acquire waits until another job may run, and returns a process for it.
func (e *Engine) acquire(ctx context.Context) (*process, error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		e.mu.Lock()
		if len(e.idle) == 0 {
			e.mu.Unlock()
			break
		}
		p := e.idle[len(e.idle)-1]
		e.idle = e.idle[:len(e.idle)-1]
		e.mu.Unlock()
		if p.alive() {
			return p, nil
		}
		e.drop(p)
	}
	p, err := e.start(ctx)
	if err != nil {
		<-e.slots
		return nil, err
	}
	return p, nil
}

// release takes back the process of a finished job. It ends a process that is not fit for
// another job.
func (e *Engine) release(p *process, fit bool) {
	defer func() { <-e.slots }()
	p.jobs++
	if fit && p.jobs < maxJobs && p.resident() <= maxResident {
		e.mu.Lock()
		if !e.closed {
			e.idle = append(e.idle, p)
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
	}
	e.drop(p)
}

// drop ends a process.
func (e *Engine) drop(p *process) {
	p.kill()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, p)
}

// Close ends all processes, busy or not, and waits until they have ended.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	var all []*process
	for p := range e.all {
		all = append(all, p)
	}
	e.idle, e.all = nil, map[*process]bool{}
	e.mu.Unlock()
	for _, p := range all {
		p.kill()
	}
	return nil
}

// Process implements imaging.Engine.
func (e *Engine) Process(ctx context.Context, t job.Task, _ imaging.Plan) (_ *job.Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.opts.Timeout, errTime)
	r := &run{engine: e, ctx: ctx, cancel: cancel, task: t, left: e.opts.Limits.MaxOutputBytes}
	defer func() {
		if err != nil {
			_ = r.Close() // err is the error to report
		}
	}()
	if r.process, err = e.acquire(ctx); err != nil {
		return nil, err
	}
	outcome, err := r.begin()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(e.hello.Writes, func(name string) bool {
		f, _ := imaging.FormatOf(name)
		return f.ContentType == outcome.ContentType
	}) {
		return nil, r.broken(fmt.Errorf("a result of type %.60q", outcome.ContentType))
	}
	return &job.Result{ContentType: outcome.ContentType, Width: outcome.Width, Height: outcome.Height, Body: r}, nil
}

var _ io.ReadCloser = (*run)(nil)
