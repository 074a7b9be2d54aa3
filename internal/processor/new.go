package processor

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/remote"
)

// Processor is what New returns: a worker calls its Process, a submit its rules.
type Processor interface {
	job.Processor
	job.Rules
}

// Options are those of New. The zero value of a field is its default.
type Options struct {
	// Image bounds the built-in processor. Its MaxOutputBytes also bounds the results of a
	// command or a server.
	Image imaging.Limits
	// Engine executes the operations of the built-in processor; the embedded one by default.
	Engine imaging.Engine
	// Accepts lists the types that a submit accepts for the built-in processor; by default
	// those of Engine.
	Accepts *imaging.Capabilities
	// Timeout bounds one run of a command or one answer of a server, from beginning to
	// end; default 5 minutes.
	Timeout time.Duration
	// MaxMemory bounds the address space of each process of a command, and the memory of
	// all of them together, in bytes; default 4 GiB.
	MaxMemory int64
	// MaxProcesses bounds how many a command has at once; default 128, and at least four
	// for each processor.
	MaxProcesses int
	// Env is the environment of a command, as "KEY=value", in addition to TMPDIR, HOME and
	// CLAIMCHECK_PARAMS.
	Env []string
	// Logger receives problems that fail no job; none by default.
	Logger *slog.Logger
}

// New returns the processor that spec names:
//
//	image                 the built-in one, imaging.Processor
//	exec:COMMAND LINE     a program, command.Command
//	http://... https://.. a server, remote.Server (also as http:URL)
func New(spec string, opts Options) (Processor, error) {
	opts.Image = opts.Image.WithDefaults()
	if spec == "image" {
		if opts.Engine == nil {
			opts.Engine = embedded.New(opts.Image)
		}
		if opts.Accepts == nil {
			can := opts.Engine.Describe().Capabilities
			opts.Accepts = &can
		}
		return imaging.New(opts.Engine, *opts.Accepts, opts.Image), nil
	}
	if line, ok := strings.CutPrefix(spec, "exec:"); ok {
		return command.New(line, command.Options{
			Timeout: opts.Timeout, MaxMemory: opts.MaxMemory, MaxProcesses: opts.MaxProcesses,
			MaxInputBytes: opts.Image.MaxInputBytes, MaxOutputBytes: opts.Image.MaxOutputBytes,
			Env: opts.Env, Logger: opts.Logger,
		})
	}
	if url, ok := strings.CutPrefix(spec, "http:"); ok && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")) {
		spec = url
	}
	if strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "https://") {
		return remote.New(spec, remote.Options{Timeout: opts.Timeout, MaxOutputBytes: opts.Image.MaxOutputBytes, Logger: opts.Logger})
	}
	return nil, fmt.Errorf(`processor %.60q is none of "image", "exec:COMMAND LINE" and "http(s)://HOST/PATH"`, spec)
}
