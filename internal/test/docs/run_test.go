// Package docs checks the pages: it runs the marked blocks, and looks for the things that
// the pages name.
package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

func readPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(awstest.Module(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A block of a page after one of these comments is run as it is.
const (
	runMark      = "<!-- run -->"
	signedInMark = "<!-- run signed in -->"
)

// marked returns the blocks after a mark, indented or fenced, without indentation or
// fence.
func marked(page, mark string) (all []string) {
	_, rest, more := strings.Cut(page, mark+"\n")
	for more {
		block, fenced := "", false
		for line := range strings.Lines(strings.TrimLeft(rest, "\n")) {
			if strings.HasPrefix(line, "```") {
				if fenced {
					break
				}
				fenced = true
				continue
			}
			code, indented := strings.CutPrefix(line, "    ")
			if !fenced && !indented {
				break
			}
			if fenced {
				code = line
			}
			block += code
		}
		all = append(all, block)
		_, rest, more = strings.Cut(rest, mark+"\n")
	}
	return all
}

// fenced returns the first fenced block of a language.
func fenced(t *testing.T, page, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$").FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("there is no block of %s", language)
	}
	return m[1]
}

// prelude makes the first failing line end the script with its name, waits for a job's
// end as a person would, and makes the go command see this module while files of the
// lines go elsewhere. Instead of go run, which TestFirstLine proves, it runs what is built.
const prelude = `set -euo pipefail
trap 'echo "this line failed: $BASH_COMMAND" >&2' ERR
await() { until curl -s -o ended "$1" && [ "$(jq -r .status ended)" = completed ]; do sleep 0.1; done; }
go() (
  cd "$MODULE"
  case "$1 $2" in
  "run ./cmd/"*) exec "$BUILT/${2#./cmd/}" "${@:3}" ;;
  esac
  exec go "$@"
)
`

// shell runs lines of pages in a folder that has the photograph of the examples.
type shell struct {
	dir     string
	environ []string
	names   *strings.Replacer // the pages' names of hosts that differ here
}

func newShell(t *testing.T, path string, l service.Local, issuer apptest.Provider) *shell {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	const pictures = "internal/imageinfo/testdata"
	if err := os.CopyFS(filepath.Join(dir, pictures), os.DirFS(awstest.Module(pictures))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte("fail\nsilent\nshow-error\n"), 0o600); err != nil { // an answer of 4xx or 5xx is a failure
		t.Fatal(err)
	}
	s := &shell{dir: dir, environ: append(goEnviron(t), "PATH="+path, "HOME="+home, "CURL_HOME="+home, "TMPDIR="+home,
		"MODULE="+awstest.Module("."), "BUILT="+service.Commands(t).Dir(), "CLAIMCHECK_SERVER="+l.URL, "AWS_EC2_METADATA_DISABLED=true")}
	for k, v := range l.Exports() {
		s.environ = append(s.environ, k+"="+v)
	}
	s.names = strings.NewReplacer(
		"http://localhost:8080", l.URL,
		"https://id.example.com", issuer.URL,
		"CLIENT_ID=me CLIENT_SECRET=mine", "CLIENT_ID="+apptest.ClientID+" CLIENT_SECRET="+apptest.ClientSecret,
		"2026-11-01", time.Now().UTC().Format("2006-01")+"-01",
		"curl -o out.jpg $JOB", "await $JOB\ncurl -o out.jpg $JOB",
		"claimcheck output $JOB", "await $JOB\nclaimcheck output $JOB",
	)
	return s
}

// run runs a page's blocks, one after the other in one shell.
func (s *shell) run(t *testing.T, blocks []string) {
	t.Helper()
	if len(blocks) == 0 {
		t.Fatal("no block is marked to be run")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // go builds, beside other tests
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Need(t, "bash"), "-c", prelude+s.names.Replace(strings.Join(blocks, "\n")))
	cmd.Dir, cmd.Env = s.dir, s.environ
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), `"status":"failed"`) {
		t.Errorf("%v: %s", err, out)
	}
}

// goEnviron makes the go command install into a folder of the test, with the module and
// build caches.
func goEnviron(t *testing.T) []string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOFLAGS", "GOTOOLCHAIN"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	values := strings.Split(string(out), "\n")
	if err != nil || len(values) <= len(names) {
		t.Fatalf("go env: %v: %s", err, out)
	}
	environ := []string{"GOENV=off", "GOBIN=", "GOPATH=" + t.TempDir()}
	for i, name := range names {
		if name == "GOFLAGS" { // half of the linker's time is for symbols
			values[i] = strings.TrimSpace(values[i] + " '-ldflags=-s -w'")
		}
		environ = append(environ, name+"="+values[i])
	}
	return environ
}

// TestMarkedBlocks runs the marked blocks of the pages. On README.md the reader installs
// the command; on the other pages it is installed.
func TestMarkedBlocks(t *testing.T) {
	t.Parallel()
	program.Need(t, "curl")
	program.Need(t, "jq")
	issuer := apptest.StartProvider(t)
	open := service.StartLocal(t, service.LocalFlags(t))
	closed := service.StartLocal(t, service.LocalFlags(t), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE=claimcheck")
	path := os.Getenv("PATH")
	t.Run("README.md", func(t *testing.T) {
		t.Parallel()
		s := newShell(t, path, open, issuer)
		s.run(t, marked(readPage(t, "README.md"), runMark))
		for _, name := range []string{"out.jpg", "results/rainier.jpg", "small.jpg"} {
			if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("the commands leave no %s: %v", name, err)
			}
		}
	})
	t.Run("README.md, with Prefer: wait at the submit", func(t *testing.T) {
		t.Parallel()
		block := marked(readPage(t, "README.md"), runMark)[0]
		waiting := strings.Replace(block, "$(curl -s ", `$(curl -s -H "Prefer: wait=30" `, 1)
		if waiting == block {
			t.Fatalf("the first block submits nothing: %s", block)
		}
		newShell(t, path, open, issuer).run(t, []string{waiting})
	})
	t.Run("README.md, signed in", func(t *testing.T) {
		t.Parallel()
		newShell(t, path, closed, issuer).run(t, marked(readPage(t, "README.md"), signedInMark))
	})
	for _, name := range []string{"docs/api.md", "docs/cli.md", "docs/costs.md", "docs/image.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newShell(t, service.Commands(t).Dir()+":"+path, open, issuer).run(t, marked(readPage(t, name), runMark))
		})
	}
	t.Run("the welcome of claimcheck local", func(t *testing.T) {
		t.Parallel()
		var lines []string
		for line := range strings.Lines(open.Output()) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
				lines = append(lines, line)
			}
		}
		if len(lines) != 3 {
			t.Fatalf("it shows %d lines of curl, want three: %s", len(lines), open.Output())
		}
		script := "cp internal/imageinfo/testdata/rainier.jpg picture.jpg\n" +
			"JOB=$(" + lines[0] + " | tr -d '\\r' | sed -n 's/^Location: //Ip')\nawait $JOB\n" +
			strings.ReplaceAll(strings.Join(lines[1:], "\n"), "{job_id}", "${JOB##*/}") + "\ntest -s out.jpg\n"
		newShell(t, path, open, issuer).run(t, []string{script})
	})
	t.Run("from an app", func(t *testing.T) { fromAnApp(t, open) })
	t.Run("answers", func(t *testing.T) { answers(t, open) })
}
