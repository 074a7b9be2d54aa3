// Command claimcheck is the service in a person's hands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/posener/complete"
	"golang.org/x/term"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/client"
)

// cli is what the command line can say.
type cli struct {
	Local      localCmd                  `cmd:"" help:"Run the whole service on this machine: API, worker, S3 and SQS."`
	Submit     submitCmd                 `cmd:"" help:"Submit images, and wait for the results with --wait."`
	Status     statusCmd                 `cmd:"" help:"Print the status of jobs."`
	List       listCmd                   `cmd:"" help:"List jobs, the newest first."`
	Output     outputCmd                 `cmd:"" help:"Fetch the output of a job."`
	Link       linkCmd                   `cmd:"" help:"Make a link to the output of a job, for people without a token."`
	Cancel     cancelCmd                 `cmd:"" help:"Cancel jobs."`
	Delete     deleteCmd                 `cmd:"" help:"Delete jobs, their images and their outputs."`
	Deliveries deliveriesCmd             `cmd:"" help:"Print the tries of a job's webhook, or send it again."`
	Listen     listenCmd                 `cmd:"" help:"Receive webhooks on this machine, verify and print them."`
	MCP        mcpCmd                    `cmd:"" name:"mcp" help:"Serve the API to an agent, by the Model Context Protocol."`
	Usage      usageCmd                  `cmd:"" help:"Print the usage per day."`
	Cost       costCmd                   `cmd:"" help:"Estimate the monthly cost."`
	Provision  provisionCmd              `cmd:"" help:"Create or check the bucket and queues in AWS, or the database schema."`
	Redrive    redriveCmd                `cmd:"" help:"Put failed jobs and dead letters back into the queue."`
	Completion kongcompletion.Completion `cmd:"" help:"Print how to enable shell completion."`
	Version    versionCmd                `cmd:"" help:"Print the version."`
}

// streams are the command's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// terminal reports whether a stream is one, and how wide it is.
func terminal(stream any) (columns int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// A closed output pipe is an error to report, not the end. Notify instead of Ignore,
	// which child processes would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process as it is
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// Exit codes; scripts rely on them.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitDiffers     = 3 // provision: not all is as it should be
	exitInterrupted = 130
)

const exitHelp = `Exit codes: 0 success; 1 a job, a file or the server failed; 2 the command line is wrong; 3 provision found a difference; 130 interrupted.

--server, before or after the command, or CLAIMCHECK_SERVER names the API. CLAIMCHECK_TOKEN or a file named by --token-file supplies the bearer token; the command line never does, because other users of the machine can see it.`

func run(ctx context.Context, args []string, s streams) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("claimcheck"),
		kong.Description("Upload images, get job URLs, fetch the results.\n\n"+exitHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	if kongcompletion.Register(parser, kongcompletion.WithPredictor("file", complete.PredictFiles("*")), kongcompletion.WithPredictor("job", predictJobs(os.Getenv))); exited >= 0 {
		return exited // the shell asked what could come next
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(behindCommand(args))
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		fmt.Fprintf(s.err, "claimcheck: %v; see claimcheck --help\n", err)
		return exitUsage
	}
	err = k.Run()
	wrong, isWrong := errors.AsType[*lineError](err)
	switch {
	case err == nil && exited <= 0:
		return exitOK
	case isWrong:
		fmt.Fprintf(s.err, "claimcheck: %v; see claimcheck %s --help\n", wrong, k.Selected().Name)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "claimcheck: interrupted")
		return exitInterrupted
	case errors.Is(err, errSomeFailed): // each is reported already
		return exitError
	case errors.Is(err, errDiffers): // as is each difference
		return exitDiffers
	default:
		fmt.Fprintln(s.err, "claimcheck:", advise(err))
		return exitError
	}
}

// behindCommand moves the flags that name the server behind the command, which has them.
func behindCommand(args []string) []string {
	n := 0
	for n < len(args) {
		name, _, whole := strings.Cut(args[n], "=")
		if name != "--server" && name != "--token-file" && name != "--auth-header" {
			break
		}
		if n++; !whole {
			n++
		}
	}
	if n == 0 || n >= len(args) {
		return args
	}
	return slices.Concat(args[n:n+1], args[:n], args[n+1:])
}

// advise adds to an error what can be done about it on the command line.
func advise(err error) error {
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusUnauthorized {
		return fmt.Errorf("%w; set CLAIMCHECK_TOKEN, or name a file that holds a token with --token-file (for a header other than Authorization, use --auth-header)", err)
	}
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		return fmt.Errorf("%w; set --server or CLAIMCHECK_SERVER to the URL of the API", err)
	}
	return err
}

// lineError is an error in the command line itself.
type lineError struct{ error }

func wrongLine(format string, args ...any) error {
	return &lineError{fmt.Errorf(format, args...)}
}

// errSomeFailed ends a command with exit code 1 without further words.
var errSomeFailed = errors.New("some failed")

type versionCmd struct{}

// Run prints what the binary was built from.
func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "claimcheck", app.Version)
	return err
}
