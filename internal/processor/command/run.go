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

	cmd      *exec.Cmd // the supervisor
	run      *sandbox.Run
	stderr   sandbox.Tail
	progress *progressPipe
	stdin    chan error // the result of copying the input; nil without standard input
	exited   chan struct{}
	status   error // how the program ended; valid once exited is closed
	inErr    error // reading the input failed; likewise
	excess   error // the program exceeded a limit; likewise

	output io.ReadCloser
	pipe   *os.File // the output, unless it is a file
	over   bool     // every process has closed the pipe
	left   int64    // bytes of output still allowed
	some   bool     // whether there was any output
	once   sync.Once
}

// start starts the program. Image is nil when it is in a file; toFile says that the
// output goes to a file.
func (r *commandRun) start(cmd *exec.Cmd, image io.Reader, toFile bool, progress func(float64, string)) error {
	r.cmd = cmd
	cmd.Stderr = &r.stderr
	cmd.WaitDelay = grace
	pipe, err := newProgressPipe(cmd)
	if err != nil {
		return fmt.Errorf("processor progress: %w", err)
	}
	r.progress = pipe
	var stdin io.WriteCloser
	if image != nil {
		if stdin, err = cmd.StdinPipe(); err != nil {
			pipe.listen(progress)
			return fmt.Errorf("processor input: %w", err)
		}
	}
	var write *os.File
	if !toFile {
		read, w, err := os.Pipe()
		if err != nil {
			pipe.listen(progress)
			return fmt.Errorf("processor output: %w", err)
		}
		r.pipe, r.output, write = read, read, w
		cmd.Stdout = w
	}
	r.run, err = sandbox.Supervise(cmd, r.limits, r.scratch)
	if write != nil {
		write.Close() // the program has its own copy
	}
	pipe.listen(progress)
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

// feed copies the input. A program that does not read all of it has not failed.
func feed(ctx context.Context, w io.WriteCloser, image io.Reader) error {
	defer w.Close()
	src := input.NewReader(ctx, image)
	_, _ = io.Copy(w, src) // the program explains why it stopped reading
	return src.Err()
}

// lookTime is the time between two checks of what a program uses. The checks take a tenth
// of the time at most.
const lookTime = 100 * time.Millisecond

// watch waits until the program has ended, its time is up, or it has exceeded a limit,
// and then ends all processes of the run.
func (r *commandRun) watch() {
	defer close(r.exited)
	ended := make(chan struct{})
	go func() {
		r.status = r.run.Wait()
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
			r.excess = r.limits.Exceeded(r.run)
			waiting = r.excess == nil
			look.Reset(max(lookTime, 10*time.Since(begun)))
		}
	}
	r.run.End()
	<-ended
	_ = r.cmd.Wait() // collects the supervisor, and ends the copying of standard error
	r.progress.close()
	if r.pipe != nil {
		_ = r.pipe.SetReadDeadline(time.Now()) // ends a read that waits
	}
	if r.stdin != nil && !fed {
		r.inErr = <-r.stdin
	}
}

// wait waits for the program's end and returns its verdict.
func (r *commandRun) wait() error {
	<-r.exited
	return r.verdict(nil)
}

// verdict returns the error of the run; err is a failure of the worker.
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
	if err != nil || r.status == nil {
		return err
	}
	exit, ok := errors.AsType[*sandbox.ExitError](r.status)
	if !ok {
		return fmt.Errorf("processor: %w", r.detail(r.status))
	}
	const (
		dataErr, tempFail     = 65, 75   // sysexits.h
		notRunnable, notThere = 126, 127 // of a shell
	)
	switch exit.Code {
	case dataErr:
		message := r.stderr.LastLine()
		if message == "" {
			message = "the processor refused the image"
		}
		return job.Wrap(job.Invalid, r.detail(r.status), message)
	case tempFail:
		return job.Wrap(job.Unavailable, r.detail(r.status), "the processor cannot work now")
	case notRunnable, notThere:
		return job.Wrap(job.Unknown, r.detail(nil), fmt.Sprintf("the processor could not run its program (%s)", exit))
	}
	return job.Wrap(job.Unknown, r.detail(nil), fmt.Sprintf("the processor failed (%s)", exit))
}

// detail adds the end of standard error to err, for the operator. err is nil where the
// sentence for the client has it already.
func (r *commandRun) detail(err error) error {
	if text := r.stderr.Text(); text != "" {
		return &failure{err, text}
	}
	return err
}

// failure is how a program failed, and the end of its standard error.
type failure struct {
	err    error // may be nil
	stderr string
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.stderr
	}
	return f.err.Error() + ": " + f.stderr
}

func (f *failure) Unwrap() error { return f.err }

// Stderr returns the end of standard error.
func (f *failure) Stderr() string { return f.stderr }

// Read reads the result. It returns io.EOF only when the program has succeeded.
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

// read reads the output of a running program, and the rest after it has ended.
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

// Close ends the program if it still runs, and removes its directory.
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

// unitsFile is the file to which a program writes its bill.
const unitsFile = "units"

// units reads the bill; zero when there is none.
func (r *commandRun) units() float64 {
	name := filepath.Join(r.scratch.Dir, unitsFile)
	if _, err := os.Lstat(name); err != nil {
		return 0
	}
	var text []byte // only a regular file is read
	if f, err := openResult(name); err == nil {
		text, _ = io.ReadAll(io.LimitReader(f, 64))
		f.Close()
	}
	return units.Billable(r.ctx, r.opts.Logger, r.job, strings.TrimSpace(string(text)))
}
