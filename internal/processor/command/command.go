package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command/sandbox"
	"claimcheck.example/internal/processor/input"
	"claimcheck.example/internal/processor/params"
	"github.com/google/shlex"
)

// Command runs a program once for each image. The image is on its standard input, or in
// the file {in} where the command line has that word; the result comes from its standard
// output, or from the file {out}. No shell is involved.
//
// The environment variable CLAIMCHECK_PARAMS has the params as JSON, and {name} or
// {name:default} in the command line is replaced by one of them, always within one argument.
// Its value is a string of letters, digits and . _ , + : % # = - that begins with a letter
// or digit, a number that is not negative, or a boolean.
//
// The program runs in an empty directory of its own (also its TMPDIR) and a process group
// of its own, with only PATH and the listed variables. Its address space, processor time,
// file size and output are bounded; the memory, number and files of all its processes
// together are checked ten times a second. When it ends, its time is up or the worker is
// killed, a supervisor kills all its descendants, whatever group or session they are in.
// The directory is removed; what a killed worker leaves, the next one removes.
//
// Walls keep runs apart where the kernel has them. On every kernel a program cannot read
// the worker's environment and memory, which hold its AWS keys.
//
// A number of 0..1e12 in the file that CLAIMCHECK_UNITS names is the bill, in units. Each
// line written to the file that CLAIMCHECK_PROGRESS names, which is not a regular file,
// reports progress: a fraction of 0..1, and the current step: "0.5 denoising".
//
// Exit status 65 (EX_DATAERR) blames the image, and the last line of standard error
// explains it to the client. 75 (EX_TEMPFAIL) asks for another attempt, as does any other
// failure; only the operator sees its output.
type Command struct {
	args  []string // still with placeholders
	path  string
	opts  Options
	ready func() error // prepares this process before its first run
}

// Options are those of New. The zero value of a field is its default.
type Options struct {
	// Timeout bounds one run from beginning to end; default 5 minutes.
	Timeout time.Duration
	// MaxMemory bounds the address space of each process, and the memory of all of them
	// together, in bytes; default 4 GiB.
	MaxMemory int64
	// MaxProcesses bounds how many processes run at once; default 128, and at least four
	// for each processor.
	MaxProcesses int
	// MaxInputBytes bounds the image; default 100 MiB.
	MaxInputBytes int64
	// MaxOutputBytes bounds the result; default 256 MiB.
	MaxOutputBytes int64
	// Env is the program's environment, as "KEY=value", in addition to TMPDIR, HOME and
	// CLAIMCHECK_PARAMS.
	Env []string
	// Logger receives problems that fail no job; none by default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 4 << 30
	}
	if o.MaxProcesses <= 0 {
		o.MaxProcesses = max(128, 4*runtime.NumCPU())
	}
	if o.MaxInputBytes <= 0 {
		o.MaxInputBytes = 100 << 20
	}
	if o.MaxOutputBytes <= 0 {
		o.MaxOutputBytes = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// New returns a Command for a command line.
func New(line string, opts Options) (*Command, error) {
	args, err := shlex.Split(line)
	if err != nil {
		return nil, fmt.Errorf("processor command line: %w", err)
	}
	if len(args) == 0 {
		return nil, errors.New("processor command line is empty")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("processor command: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("processor command: %w", err)
	}
	return &Command{args: args, path: path, opts: opts.withDefaults(), ready: sync.OnceValue(prepare)}, nil
}

// Walls returns what keeps the program's runs apart from each other and from this process.
func (c *Command) Walls() (sandbox.Walls, error) { return sandbox.LookAtWalls() }

// prepare closes this process's secrets to the programs that it will run, and removes
// what killed workers left behind.
func prepare() error {
	if err := sandbox.Shut(); err != nil {
		return err
	}
	sandbox.Sweep()
	return nil
}

// Accepts implements job.Rules: the program decides.
func (c *Command) Accepts(string) bool { return true }

// CheckParams implements job.Rules: every placeholder needs its value.
func (c *Command) CheckParams(_ job.Media, raw json.RawMessage) error {
	_, err := c.expand(raw, "in", "out")
	return err
}

// expand returns the arguments with values for their placeholders.
func (c *Command) expand(raw json.RawMessage, in, out string) ([]string, error) {
	values := map[string]string{"in": in, "out": out}
	if len(raw) > 0 {
		members, err := params.Object("params", raw)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if m.Key != "in" && m.Key != "out" {
				values[m.Key] = string(m.Value)
			}
		}
	}
	args := slices.Clone(c.args)
	for i := range args {
		var err error
		if args[i], err = substitute(args[i], values); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// uses reports whether the command line has the placeholder.
func (c *Command) uses(name string) bool {
	return slices.ContainsFunc(c.args, func(arg string) bool { return strings.Contains(arg, "{"+name+"}") })
}

// substitute replaces the placeholders of one argument.
func substitute(arg string, values map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(arg, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		inside, after, found := strings.Cut(rest, "}")
		name, preset, hasPreset := strings.Cut(inside, ":")
		if !found || !plainName(name) { // no placeholder
			b.WriteString("{")
			arg = rest
			continue
		}
		value, given := values[name]
		switch {
		case given && name != "in" && name != "out":
			var err error
			if value, err = plainValue(name, value); err != nil {
				return "", err
			}
		case !given && hasPreset:
			value = preset
		case !given:
			return "", params.Invalid("params need %q", name)
		}
		b.WriteString(value)
		arg = after
	}
}

func plainName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// plainValue returns a param's JSON value in the form that an argument may contain. No
// value looks like an option, a path or one of the special words that programs know.
func plainValue(name, raw string) (string, error) {
	s := raw
	if strings.HasPrefix(raw, `"`) {
		if err := json.Unmarshal([]byte(raw), &s); err != nil {
			return "", params.Invalid("%s must be text, a number or a boolean", name)
		}
	}
	plain := raw != "null" && s != "" && len(s) <= 200 && plainName(s[:1]) && s[0] != '_'
	for _, r := range s {
		plain = plain && (plainName(string(r)) || strings.ContainsRune(".,+:%#=-", r))
	}
	if !plain {
		return "", params.Invalid("%s must be a number, a boolean, or text of letters, digits and ._,+:%%#=- that begins with a letter or digit", name)
	}
	return s, nil
}

// Process implements job.Processor. Without {out} the program still runs while Body is
// read, and the error at the end of Body says how it ended.
func (c *Command) Process(ctx context.Context, t job.Task) (_ *job.Result, err error) {
	if err := c.ready(); err != nil {
		return nil, fmt.Errorf("processor: %w", err)
	}
	scratch, err := sandbox.NewScratch()
	if err != nil {
		return nil, fmt.Errorf("processor directory: %w", err)
	}
	dir := scratch.Dir
	r := &commandRun{job: t.ID, opts: c.opts, limits: c.limits(), scratch: scratch, left: c.opts.MaxOutputBytes}
	defer func() {
		if err != nil {
			_ = r.Close() // err is the error to report
		}
	}()
	r.ctx, r.cancel = context.WithTimeoutCause(ctx, c.opts.Timeout, errTime)
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	args, err := c.expand(t.Params, in, out)
	if err != nil {
		return nil, err
	}
	image := t.Image
	if c.uses("in") {
		if err := writeFile(r.ctx, in, t.Image); err != nil {
			return nil, r.verdict(err)
		}
		if err := scratch.Give(in); err != nil {
			return nil, fmt.Errorf("processor input: %w", err)
		}
		image = nil
	}
	cmd := &exec.Cmd{Path: c.path, Args: args, Dir: dir, Env: c.environ(scratch, t.Params)}
	if err := r.start(cmd, image, c.uses("out"), t.Progress); err != nil {
		return nil, err
	}
	if c.uses("out") {
		if err := r.wait(); err != nil {
			return nil, err
		}
		if r.output, err = openResult(out); err != nil {
			return nil, err
		}
	}
	return &job.Result{Body: r, Units: r.units}, nil
}

func (c *Command) limits() sandbox.Limits {
	file := uint64(max(c.opts.MaxOutputBytes, c.opts.MaxInputBytes))
	return sandbox.Limits{
		Memory:    uint64(c.opts.MaxMemory),
		CPU:       (uint64(c.opts.Timeout/time.Second) + 1) * uint64(runtime.NumCPU()), // as much as all processors can spend in that time
		File:      file,
		Disk:      4 * file,
		Processes: c.opts.MaxProcesses,
	}
}

func (c *Command) environ(scratch *sandbox.Scratch, raw json.RawMessage) []string {
	dir := scratch.Dir
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	env := []string{"TMPDIR=" + dir, "HOME=" + dir, "CLAIMCHECK_PARAMS=" + string(raw), "CLAIMCHECK_UNITS=" + filepath.Join(dir, unitsFile), "CLAIMCHECK_PROGRESS=" + progressFile}
	if scratch.OwnUser() { // which has no name otherwise
		env = append(env, "USER=claimcheck", "LOGNAME=claimcheck")
	}
	return append(env, c.opts.Env...)
}

func writeFile(ctx context.Context, name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("processor input: %w", err)
	}
	_, err = io.Copy(f, input.NewReader(ctx, r))
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("processor input: %w", cerr)
	}
	return err
}

// openResult opens the file that the program wrote. It does not follow a link, which
// would lead out of the directory.
func openResult(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, job.Wrap(job.Unknown, fmt.Errorf("no regular file at {out}: %w", err), noResult)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("processor result: %w", err)
	}
	return f, nil
}

// noResult is the client's sentence for a program that ended without output.
const noResult = "the processor gave no result"

// errTime is the cause of a context whose time is up.
var errTime = errors.New("time is up")

// grace is how long a stream may stay open after the program and its group have ended,
// because a process that left the group holds it.
const grace = time.Second
