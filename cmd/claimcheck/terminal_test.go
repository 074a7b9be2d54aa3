package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/program"
)

// asCommand in the environment makes the test's binary the command itself.
const asCommand = "CLAIMCHECK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	forgetSettings()
	os.Exit(overlap.Run(m))
}

// forgetSettings takes from the tests, and from the commands that they start, what the shell
// has set for services and accounts of its own.
func forgetSettings() {
	own := append([]string{
		"PORT", "PUBLIC_URL", "CORS_ORIGINS", "LEASE", "JOB_TTL_DAYS", "QUEUE_RETENTION", "PRICES_FILE", "SQS_MESSAGE_GROUPS",
	}, storageVariables...)
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "CLAIMCHECK_") || slices.Contains(own, name) {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
}

// screen is a terminal as far as the command needs one: carriage return, erased lines,
// and lines that must not be longer than it is wide.
type screen struct {
	mu      sync.Mutex // guards all below
	columns int
	raw     strings.Builder
	lines   []string // above the cursor's
	line    []rune
	at      int // the cursor's column
	over    int // where it was before it returned
	widest  int // of the lines that were written over, as those of a bar are
	escape  *regexp.Regexp
}

func newScreen(columns int) *screen {
	return &screen{columns: columns, escape: regexp.MustCompile("^\x1b\\[([0-9;?]*)([A-Za-z])")}
}

// watch shows what is written to a terminal until that ends.
func (s *screen) watch(terminal *os.File) {
	in := bufio.NewReader(terminal)
	for {
		r, _, err := in.ReadRune()
		if err != nil || string(r) == endOfShow {
			return
		}
		var escaped string
		if r == '\x1b' {
			for escaped = string(r); !s.escape.MatchString(escaped) && len(escaped) < 16; {
				if r, _, err = in.ReadRune(); err != nil {
					return
				}
				escaped += string(r)
			}
		}
		s.put(r, escaped)
	}
}

func (s *screen) put(r rune, escaped string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if escaped == "" {
		s.raw.WriteRune(r)
	}
	switch {
	case escaped != "":
		s.raw.WriteString(escaped)
		if m := s.escape.FindStringSubmatch(escaped); m != nil && m[2] == "K" {
			if m[1] == "2" {
				s.line = s.line[:0]
			} else {
				s.line = s.line[:min(s.at, len(s.line))]
			}
		}
		return
	case r == '\r':
		s.over, s.at = s.at, 0
		return
	case r == '\n':
		s.lines = append(s.lines, strings.TrimRight(string(s.line), " "))
		s.line, s.at, s.over = nil, 0, 0
	default:
		s.widest, s.over = max(s.widest, s.over), 0
		for len(s.line) <= s.at {
			s.line = append(s.line, ' ')
		}
		s.line[s.at] = r
		s.at++
	}
}

// text is all that there was to see.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// left is the text on the screen at the end.
func (s *screen) left() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimRight(strings.Join(append(s.lines, string(s.line)), "\n"), " ")
}

// open opens a terminal with its screen.
func open(t *testing.T, columns int) (command, keyboard *os.File, s *screen, ended func()) {
	t.Helper()
	keyboard, command, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(keyboard, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	s = newScreen(columns)
	done := make(chan struct{})
	go func() { defer close(done); s.watch(keyboard) }()
	t.Cleanup(func() { command.Close(); keyboard.Close(); <-done })
	// What is still on its way when a terminal is closed may be lost.
	return command, keyboard, s, func() { _, _ = command.WriteString(endOfShow); <-done }
}

// endOfShow is the character after which a screen is not watched any longer.
const endOfShow = "\x04"

// TestProgressOnATerminal submits on terminals of several widths: the bar fits, and goes
// away without a trace.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{16, 24, 40, 60, 80, 200} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			s.StartWorker(t)
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			command, _, screen, ended := open(t, columns)
			code := run(t.Context(), []string{"submit", "--server", s.URL, "--wait", "-j", "1", "--param", "width=20", photo(t), "nothing.jpg", photo(t)},
				streams{strings.NewReader(""), out, command})
			ended()
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			if screen.widest > columns {
				t.Errorf("%d characters on a line of %d: %q", screen.widest, columns, screen.text())
			}
			if !strings.Contains(screen.text(), "0 of 3") && !strings.Contains(screen.text(), "0/3") {
				t.Errorf("there was no bar: %q", screen.text())
			}
			if want := "claimcheck: nothing.jpg: open nothing.jpg: no such file or directory\n"; screen.left() != want {
				t.Errorf("in the end there is %q, want %q", screen.left(), want)
			}
			printed, err := os.ReadFile(out.Name())
			if err != nil || strings.Count(string(printed), "\n") != 2 || strings.ContainsAny(string(printed), "\r\x1b") {
				t.Errorf("output is %q, %v", printed, err)
			}
		})
	}
}

// TestBarFits draws bars at their longest.
func TestBarFits(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{16, 24, 40, 60, 80, 200} {
		for _, total := range []int{1, 25, 1000} {
			command, _, screen, ended := open(t, columns)
			p := newProgress(streams{err: command}, total, false)
			if p.bar == nil {
				if columns > 16 || total < 100 {
					t.Errorf("%d columns, %d images: there is no bar", columns, total)
				}
				continue
			}
			p.over, p.failed = total, total
			p.file()(1 << 40)
			p.describe()
			if err := p.bar.RenderBlank(); err != nil {
				t.Fatal(err)
			}
			p.end()
			ended()
			if !strings.Contains(screen.text(), fmt.Sprint(total)) || screen.widest > columns || screen.left() != "" {
				t.Errorf("%d columns, %d images: %d characters, %q is left of %q", columns, total, screen.widest, screen.left(), screen.text())
			}
		}
	}
}

// TestBarHasOneMeaning compares the share that the bar shows with the words beside it.
func TestBarHasOneMeaning(t *testing.T) {
	t.Parallel()
	for _, wait := range []bool{true, false} {
		command, _, screen, ended := open(t, 100)
		p := newProgress(streams{err: command}, 4, wait)
		sent := p.file()
		sent(1 << 20)
		sent(3 << 19)
		sent(1 << 20) // again, from the beginning
		for _, ok := range []bool{true, false, true} {
			p.done(ok)
			p.around(func() {}) // draws it, however soon
		}
		p.done(true)
		p.end()
		ended()
		verb := map[bool]string{true: "done", false: "submitted"}[wait]
		for _, want := range []string{"1 of 4 " + verb + ", 1.5 MiB sent  25% |", "2 of 4 " + verb + ", 1 failed, 1.5 MiB sent  50% |", "3 of 4 " + verb + ", 1 failed, 1.5 MiB sent  75% |"} {
			if !strings.Contains(screen.text(), want) {
				t.Errorf("there is no %q in %q", want, screen.text())
			}
		}
		if strings.Contains(screen.text(), "0 of 4 "+verb+", 1 failed") || strings.Contains(screen.text(), "100%") || screen.left() != "" {
			t.Errorf("the bar is %q, and leaves %q", screen.text(), screen.left())
		}
	}
}

// TestNoProgressInAPipe has plain lines alone where there is no terminal.
func TestNoProgressInAPipe(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	ended := make(chan int, 1)
	go func() {
		defer write.Close()
		ended <- run(t.Context(), []string{"submit", "--server", s.URL, "--wait", photo(t)}, streams{strings.NewReader(""), write, write})
	}()
	printed, err := io.ReadAll(read)
	code := <-ended
	if want := regexp.MustCompile(`^` + regexp.QuoteMeta(s.URL) + `/jobs/[0-9a-f-]{36}/output\n$`); err != nil || code != 0 || !want.Match(printed) {
		t.Errorf("exit code %d, %q, %v", code, printed, err)
	}
}

// self starts the command as a process of its own.
func self(ctx context.Context, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// operate runs a command line to its end in a process of its own, with the variables that
// an operator sets.
func operate(t *testing.T, vars []string, args ...string) result {
	t.Helper()
	cmd := self(t.Context(), args...)
	cmd.Env = append(cmd.Env, vars...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// TestCtrlC presses it on a terminal, in the middle of an upload.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	proxy := newHeldProxy(t, s.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := self(ctx, "submit", "--server", proxy.URL, large(t))
	keyboard, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	screen := newScreen(80)
	done := make(chan struct{})
	go func() { defer close(done); screen.watch(keyboard) }()
	<-proxy.begun
	if _, err := keyboard.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	<-done
	proxy.open()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(screen.left(), "nothing was submitted") {
		t.Errorf("exit code %d: %q", code, screen.text())
	}
	nothing(t, s)
}

// TestCompletion completes commands, flags, files and jobs in a bash.
func TestCompletion(t *testing.T) {
	t.Parallel()
	bash := program.Need(t, "bash")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if strings.ContainsAny(dir, " \t") {
		program.Lacks(t, "kong-completion does not quote the command's path, and the folder for temporary files has a space in its name")
	}
	if err := os.Symlink(exe, filepath.Join(dir, "claimcheck")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "picture-of-a-mountain.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, "--noprofile", "--norc", "-i")
	cmd.Dir = dir
	service := apptest.Start(t)
	location := service.Submit(t, apptest.Photograph(t)).Header.Get("Location")
	cmd.Env = []string{"CLAIMCHECK_SERVER=" + service.URL, "PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "PS1=ready> ", asCommand + "=1", "INPUTRC=/dev/null"}
	keyboard, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	screen := newScreen(200)
	done := make(chan struct{})
	go func() { defer close(done); screen.watch(keyboard) }()
	see := func(want string) {
		t.Helper()
		for tick := time.NewTicker(10 * time.Millisecond); !strings.Contains(screen.text(), want); {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("no %q to see: %q", want, screen.text())
			}
		}
	}
	press := func(keys, want string) {
		t.Helper()
		if _, err := io.WriteString(keyboard, keys); err != nil {
			t.Fatal(err)
		}
		see(want)
	}
	see("ready> ")
	press("source <(claimcheck completion -c bash); echo $((6*7))\n", "42")
	press("claimcheck subm\t", "claimcheck submit ")
	press("--wa\t", "--wait ")
	press("pict\t", "picture-of-a-mountain.jpg")
	id := location[strings.LastIndexByte(location, '/')+1:]
	press("\x15claimcheck status "+id[:9]+"\t", id)
	press("\x15exit\n", "exit")
	_ = cmd.Wait()
	<-done
}
