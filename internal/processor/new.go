package processor

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

// Processor is what a worker runs and a submit asks.
type Processor interface {
	job.Processor
	job.Rules
}

// Options are those of New. The zero value of a field is its default.
type Options struct {
	// Image bounds the built-in pipeline. Its MaxOutputBytes bounds what a command or a
	// server gives back, too.
	Image ImageOptions
	// Timeout bounds one run of a command or one answer of a server, from beginning to
	// end; default 5 minutes.
	Timeout time.Duration
	// MaxMemory bounds the address space of each process of a command, and the memory of
	// all of them together, in bytes; default 4 GiB.
	MaxMemory int64
	// MaxProcesses bounds how many a command has at once; default 128, and at least four
	// for each processor.
	MaxProcesses int
	// Env is what a command sees of the environment, as "KEY=value", beside its TMPDIR,
	// HOME and CLAIMCHECK_PARAMS.
	Env []string
	// Logger is told what is wrong and fails no job; none by default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Image = NewImage(o.Image).opts
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 4 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxProcesses <= 0 {
		o.MaxProcesses = max(128, 4*runtime.NumCPU())
	}
	return o
}

// New returns the processor that spec names:
//
//	image                 the built-in pipeline, Image
//	exec:COMMAND LINE     a program, Command
//	http://... https://.. a server, Server (also as http:URL)
func New(spec string, opts Options) (Processor, error) {
	opts = opts.withDefaults()
	if spec == "image" {
		return NewImage(opts.Image), nil
	}
	if line, ok := strings.CutPrefix(spec, "exec:"); ok {
		return newCommand(line, opts)
	}
	if url, ok := strings.CutPrefix(spec, "http:"); ok && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")) {
		return newServer(url, opts)
	}
	if strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "https://") {
		return newServer(spec, opts)
	}
	return nil, fmt.Errorf(`processor %.60q is none of "image", "exec:COMMAND LINE" and "http(s)://HOST/PATH"`, spec)
}
