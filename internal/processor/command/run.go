package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command/sandbox"
	"claimcheck.example/internal/processor/input"
	"claimcheck.example/internal/processor/units"
)

// commandRun is one run of a program, and the body of its result.
type commandRun struct {
	ctx     context.Context // ends with the job, or when the time is up
	cancel  context.CancelFunc
	job     job.ID
	opts    Options
	limits  sandbox.Limits
	scratch *sandbox.Scratch

	cmd    *exec.Cmd
	stderr sandbox.Tail
	told   *progressPipe
	stdin  chan error // how the copying of the input ended; nil when there is none
	exited chan struct{}
	status error // of the program; to be read when exited is closed
	inErr  error // of the input; likewise
	excess error // of more than its limits; likewise

	output io.ReadCloser
	pipe   *os.File // the output, unless it is a file
	over   bool     // nobody writes to the pipe any more
	left   int64    // bytes of output that may still come
	some   bool     // output has come
	once   sync.Once
}

// start starts the program. Image is nil when it is in a file; toFile says that the
// output is one.
func (r *commandRun) start(cmd *exec.Cmd, image io.Reader, toFile bool, progress func(float64, string)) error {
	r.cmd = cmd
	cmd.Stderr = &r.stderr
	cmd.WaitDelay = grace
	told, err := newProgressPipe(cmd)
	if err != nil {
		return fmt.Errorf("processor progress: %w", err)
	}
	r.told = told
	var stdin io.WriteCloser
	if image != nil {
		if stdin, err = cmd.StdinPipe(); err != nil {
			told.listen(progress)
			return fmt.Errorf("processor input: %w", err)
		}
	}
	var write *os.File
	if !toFile {
		read, w, err := os.Pipe()
		if err != nil {
			told.listen(progress)
			return fmt.Errorf("processor output: %w", err)
		}
		r.pipe, r.output, write = read, read, w
		cmd.Stdout = w
	}
	err = sandbox.Start(cmd, r.limits)
	if write != nil {
		write.Close() // the program has its own
	}
	told.listen(progress)
	if err != nil {
		return job.Wrap(job.Misconfigured, fmt.Errorf("start processor: %w", err), "the worker could not start the processor")
	}
	if image != nil {
		r.stdin = make(chan error, 1)
		go func() { r.stdin <- feed(r.ctx, stdin, image) }()
	}
	r.exited = make(chan struct{})
	go r.watch()
	return nil
}

// feed copies the input. A program that does not want all of it is no failure.
func feed(ctx context.Context, w io.WriteCloser, image io.Reader) error {
	defer w.Close()
	src := input.NewReader(ctx, image)
	_, _ = io.Copy(w, src) // a failure to write is the program's to explain
	return src.Err()
}

// lookTime is how often the watch looks at what a program has taken. It spends a tenth of
// the time on it at most.
const lookTime = 100 * time.Millisecond

// watch waits for the program's end, or for the time's, or until it has taken too much,
// and then ends its group. The
// group is killed while the program's own process still waits to be collected, so that
// its number cannot be anybody else's yet.
func (r *commandRun) watch() {
	defer close(r.exited)
	ended := make(chan struct{})
	go func() {
		sandbox.AwaitExit(r.cmd.Process.Pid)
		close(ended)
	}()
	inFailed := r.stdin
	var fed bool
	look := time.NewTimer(lookTime)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case <-ended:
			waiting = false
		case <-r.ctx.Done():
			waiting = false
		case r.inErr = <-inFailed:
			fed, inFailed = true, nil
			waiting = r.inErr == nil
		case begun := <-look.C:
			r.excess = r.limits.Exceeded(r.cmd.Process.Pid, r.scratch.Dir)
			waiting = r.excess == nil
			look.Reset(max(lookTime, 10*time.Since(begun)))
		}
	}
	sandbox.KillGroup(r.cmd.Process.Pid)
	<-ended
	r.scratch.KillStrays()
	r.status = r.cmd.Wait()
	sandbox.ReapGroup(r.cmd.Process.Pid)
	r.told.close()
	if r.pipe != nil {
		_ = r.pipe.SetReadDeadline(time.Now()) // who reads shall see that it has ended
	}
	if r.stdin != nil && !fed {
		r.inErr = <-r.stdin
	}
}

// wait waits for the program's end and says how it was.
func (r *commandRun) wait() error {
	<-r.exited
	return r.verdict(nil)
}

// verdict is what the run's end means; err is what went wrong on our side.
func (r *commandRun) verdict(err error) error {
	if r.excess != nil {
		return r.excess
	}
	if cause := context.Cause(r.ctx); cause != nil {
		if errors.Is(cause, errTime) {
			return job.Wrap(job.Unavailable, r.detail(cause), fmt.Sprintf("the processor did not finish within %s", r.opts.Timeout))
		}
		return cause
	}
	if err == nil {
		err = r.inErr
	}
	if err != nil || r.status == nil || errors.Is(r.status, exec.ErrWaitDelay) {
		return err
	}
	exit, ok := errors.AsType[*exec.ExitError](r.status)
	if !ok {
		return fmt.Errorf("processor: %w", r.detail(r.status))
	}
	const dataErr, tempFail = 65, 75 // sysexits.h
	switch exit.ExitCode() {
	case dataErr:
		message := r.stderr.LastLine()
		if message == "" {
			message = "the processor refused the image"
		}
		return job.Wrap(job.Invalid, r.detail(r.status), message)
	case tempFail:
		return job.Wrap(job.Unavailable, r.detail(r.status), "the processor cannot work now")
	}
	return job.Wrap(job.Unknown, r.detail(r.status), fmt.Sprintf("the processor failed (%s)", exit))
}

// detail adds the end of standard error, for the operator.
func (r *commandRun) detail(err error) error {
	if text := r.stderr.Text(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// Read reads the result. Its end comes when the program has ended well.
func (r *commandRun) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if r.left -= int64(n); r.left < 0 {
		r.cancel()
		return 0, job.Errorf(job.TooLarge, "the processor's result has more bytes than this service hands out")
	}
	r.some = r.some || n > 0
	if err == nil || n > 0 {
		return n, nil
	}
	if err != io.EOF {
		return 0, err
	}
	if err := r.wait(); err != nil {
		return 0, err
	}
	if !r.some {
		return 0, job.Wrap(job.Unknown, r.detail(io.ErrUnexpectedEOF), noResult)
	}
	return 0, io.EOF
}

// read reads the output of a program that works, and what is left of one that has ended.
func (r *commandRun) read(p []byte) (int, error) {
	if !r.over {
		n, err := r.output.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		r.over = true
	}
	return sandbox.Drain(r.pipe, p)
}

// Close ends the program, if it still runs, and removes its directory.
func (r *commandRun) Close() (err error) {
	r.once.Do(func() {
		r.cancel()
		if r.exited != nil {
			<-r.exited
		}
		if r.output != nil {
			r.output.Close()
		}
		err = r.scratch.Remove()
	})
	return err
}

// unitsFile is where a program says what it is billed.
const unitsFile = "units"

// units reads what the program says; zero, when it says nothing.
func (r *commandRun) units() float64 {
	name := filepath.Join(r.scratch.Dir, unitsFile)
	if _, err := os.Lstat(name); err != nil {
		return 0
	}
	var text []byte // what is no regular file is no number
	if f, err := openResult(name); err == nil {
		text, _ = io.ReadAll(io.LimitReader(f, 64))
		f.Close()
	}
	return units.Billable(r.ctx, r.opts.Logger, r.job, strings.TrimSpace(string(text)))
}
