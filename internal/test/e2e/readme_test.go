package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
)

// executed are the pages whose commands TestREADMECommands executes.
var executed = []string{"README.md", "docs/api.md", "docs/cli.md", "docs/costs.md"}

func readREADME(t *testing.T) string {
	t.Helper()
	return readPage(t, "README.md")
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(awstest.Module(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fenced returns the first fenced block of a language, without its indentation.
func fenced(t *testing.T, page, language string) string {
	t.Helper()
	m := regexp.MustCompile("(?ms)^( *)```" + language + "\n(.*?)^ *```$").FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("there is no block of %s", language)
	}
	return regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[2], "")
}

var fence = regexp.MustCompile("(?ms)^ *```.*?^ *```$")

// pictures are the blocks of a page that show something else than commands, by what
// they begin with.
var pictures = regexp.MustCompile(`^(\(none\) |function\.go  |S3_BUCKET: |A month of |a month  )`)

// commands returns the commands of a page's indented blocks, one that goes on over
// several lines, or a loop, as one.
func commands(page string) (all []string) {
	page = fence.ReplaceAllString(page, "")
	page = strings.ReplaceAll(page, "\\\n", " ")
	for block := range strings.SplitSeq(page, "\n\n") {
		if !strings.HasPrefix(block, "    ") || pictures.MatchString(strings.TrimSpace(block)) {
			continue
		}
		loop := ""
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			switch {
			case loop != "" || strings.HasPrefix(line, "for "):
				loop += line + "\n"
				if line == "done" {
					all, loop = append(all, loop), ""
				}
			default:
				all = append(all, line)
			}
		}
	}
	return all
}

// notHere are the commands that no test can execute, by what they begin with, and why.
var notHere = map[string]string{
	"go test ./...":                  "is the suite that this test is of",
	"go test ./internal/test/chaos ": "is a part of the suite",
	"go test ./internal/app ":        "takes minutes; the suite runs it with sixty images for a thousand",
	"go test -run '^$' -bench ":      "takes a minute and gigabytes; .ci/run runs each benchmark once",
	"go run ./internal/test/chaos ":  "takes ten minutes; the package's own tests run a short form",
	"go run ./cmd/claimcheck local":  "is run by TestFirstLine, and with the issuer that it is told by TestREADMECommands",
	"docker ":                        "wants a container engine; .ci/container/smoke builds the image and runs both of its commands",
	"podman ":                        "wants a container engine; .ci/container/smoke does the same",
	"gcloud ":                        "wants an account; TestDeployment knows its commands and flags",
	"ID=$(gcloud ":                   "wants an account; TestDeployment knows its commands and flags",
	"URL=$(gcloud ":                  "wants an account; TestDeployment knows its commands and flags",
	"URL=$(aws ":                     "wants an account",
	"curl -i ${URL}":                 "asks a deployed service",
	"PROJECT=":                       "names what an account has",
	"export AWS_REGION=":             "names what an account has",
	"export S3_BUCKET=":              "names what an account has",
	"VERSION=$(git describe":         "wants a clone with its tags",
	"for ":                           "loops over calls that want an account",
	"aws ":                           "wants an account",
	"ACCOUNT=$(aws ":                 "wants an account",
	"sed \"s/SERVICE_ACCOUNT_ID/":    "takes what gcloud has said",
	"echo \"PUBLIC_URL: ":            "is for a file of the operator's",
	"curl -i $URL/":                  "asks a deployed service",
	"curl -i -H \"Authorization: ":   "asks a deployed service",
	"CGO_ENABLED=0 ":                 "is what TestRuntime of cmd/lambda builds",
	"zip ":                           "packs that for an account",
	"python3 worker.py":              "is run by TestPythonWorker",
	"PROCESSOR=":                     "is run by TestREADMEProcessors",
	"go run ./internal/test/bench":   "measures for minutes; the package's own tests run a short form",
}

func reasonNotToRun(command string) (reason string) {
	for begin, why := range notHere {
		if strings.HasPrefix(command, begin) {
			return why
		}
	}
	return ""
}

var (
	jobOf      = regexp.MustCompile(`(?:/jobs/|"job_id":")([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`)
	sourcePath = regexp.MustCompile(`(?:\./|\b)((?:cmd|internal|docs)/[a-z0-9/_.-]*[a-z0-9])`)
	assignment = regexp.MustCompile(`^(?:export )?[A-Z_]+=`)
	assigned   = regexp.MustCompile(`(?:^| )([A-Z_]+)=`)
	comment    = regexp.MustCompile(`\s+# .*$`)
)

// terminal runs a page's commands one after the other, as somebody would who follows it.
type terminal struct {
	dir     string
	environ []string
	names   *strings.Replacer // what stands here for the hosts and places of the page
	state   string            // variables so far
	jobID   string            // the last one that was seen
	api     string
	auth    []string // a header, where the API wants one
}

func (c *terminal) run(t *testing.T, command string) {
	t.Helper()
	if strings.Contains(command, "{job_id}") && c.jobID == "" {
		t.Errorf("%s: no command before has told of a job", command)
		return
	}
	line := strings.ReplaceAll(c.names.Replace(comment.ReplaceAllString(command, "")), "{job_id}", c.jobID)
	if strings.Contains(command, "output") && strings.Contains(command, "{job_id}") {
		apptest.Await(t, c.api+"/jobs/"+c.jobID, c.auth...) // as a person would
	}
	limit := 2 * time.Minute
	if strings.HasPrefix(command, "go ") {
		limit = 5 * time.Minute // it builds, beside other tests
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	script := "set -euo pipefail\n" + c.state + line + "\n"
	variables := filepath.Join(t.TempDir(), "variables")
	if assignment.MatchString(line) {
		script += "declare -p"
		for _, m := range assigned.FindAllStringSubmatch(line, -1) {
			script += " " + m[1]
		}
		script += " >" + variables + "\n"
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = c.dir, c.environ
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", command, err, out)
		return
	}
	if b, err := os.ReadFile(variables); err == nil {
		c.state += string(b)
	}
	if m := jobOf.FindSubmatch(out); m != nil {
		c.jobID = string(m[1])
	}
}

// clone copies these files and folders of the repository into a folder of its own.
func clone(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		from, to := awstest.Module(name), filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(from)
		switch {
		case err != nil:
		case info.IsDir():
			err = os.CopyFS(to, os.DirFS(from))
		default:
			var b []byte
			if b, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(to, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// goEnviron has the go command install into a folder of the test's, by what it has
// fetched and built already.
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
		environ = append(environ, name+"="+values[i])
	}
	return environ
}

// TestREADMECommands executes each command line of the README, in a copy of what a fresh
// clone has, and of the pages that go on where it ends: as they are written, but for what
// notHere says and for what the replacer below puts in the place of hosts.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name)
		}
	}
	l := startLocal(t, localFlags(t))
	issuer := apptest.StartProvider(t)
	closed := startLocal(t, localFlags(t), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE=claimcheck")
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte("fail\nsilent\nshow-error\n"), 0o600); err != nil { // an answer of 4xx or 5xx is a failure
		t.Fatal(err)
	}
	vars := append(goEnviron(t), "HOME="+home, "CURL_HOME="+home, "AWS_EC2_METADATA_DISABLED=true")
	for k, v := range l.exports() {
		vars = append(vars, k+"="+v)
	}
	terminalOf := func(l local, dir, path string) *terminal {
		return &terminal{
			dir: dir, api: l.url,
			environ: append(slices.Clone(vars), "PATH="+path, "CLAIMCHECK_SERVER="+l.url),
			names: strings.NewReplacer(
				"http://localhost:8080", l.url,
				"https://id.example.com", issuer.URL,
				"CLIENT_ID=me CLIENT_SECRET=mine", "CLIENT_ID="+apptest.ClientID+" CLIENT_SECRET="+apptest.ClientSecret,
				"2026-11-01", time.Now().UTC().Format("2006-01")+"-01",
			),
		}
	}
	run := func(t *testing.T, term *terminal, least int, commands []string) {
		ran := 0
		for _, command := range commands {
			if reasonNotToRun(command) == "" {
				term.run(t, command)
				ran++
			}
		}
		if ran < least {
			t.Errorf("%d commands were found", ran)
		}
	}
	left := func(t *testing.T, dir string, names ...string) {
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("the commands have not left %s", name)
			}
		}
	}
	for _, name := range executed {
		page := readPage(t, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "README.md" { // it has been read before
				dir := clone(t, "internal/imageinfo/testdata")
				run(t, terminalOf(l, dir, binaries+":"+os.Getenv("PATH")), 1, commands(page))
				return
			}
			dir := clone(t, "go.mod", "go.sum", "function.go", "cmd", "internal")
			before, rest, _ := strings.Cut(page, "\n## Who may\n")
			who, after, ok := strings.Cut(rest, "\n## ")
			if !ok {
				t.Fatal("the README does not say who may")
			}
			run(t, terminalOf(l, dir, os.Getenv("PATH")), 15, commands(before+"\n\n## "+after))
			left(t, dir, "out.jpg", "results/rainier.jpg", "small.jpg")
			signedIn := terminalOf(closed, dir, os.Getenv("PATH"))
			signedIn.auth = []string{"Authorization", issuer.Bearer(apptest.ClientID)}
			run(t, signedIn, 7, commands(who))
			run(t, signedIn, 3, welcomed(closed.Output()))
		})
	}
	t.Run("a refusal", func(t *testing.T) {
		t.Parallel()
		var told map[string]any
		if err := json.Unmarshal([]byte(fenced(t, readREADME(t), "json")), &told); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.submit(t, []byte("module claimcheck.example\n")).JSON(t), told); diff != "" {
			t.Errorf("the README shows another answer to what is no image (-answered +told):\n%s", diff)
		}
	})
}

// welcomed returns the curl lines that `claimcheck local` begins with, of a picture that a
// newcomer has.
func welcomed(output string) (lines []string) {
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			lines = append(lines, strings.ReplaceAll(line, "@picture.jpg", "@internal/imageinfo/testdata/rainier.jpg"))
		}
	}
	return lines
}

// TestDocumentedCommands looks at the commands of all pages: bash can read them, the
// files that they name exist, our own command knows their flags, and of all others
// notHere says why they are not executed.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(awstest.Module("docs/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	f, err := built()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range append(pages, awstest.Module("README.md")) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		runs := slices.ContainsFunc(executed, func(page string) bool { return awstest.Module(page) == name })
		all := commands(string(b))
		if out, err := exec.Command("bash", "-n", "-c", strings.Join(all, "\n")).CombinedOutput(); err != nil {
			t.Errorf("%s: bash cannot read its commands: %s", name, out)
		}
		for _, command := range all {
			for _, m := range sourcePath.FindAllStringSubmatch(strings.ReplaceAll(command, "$who", "server"), -1) {
				if _, err := os.Stat(awstest.Module(m[1])); err != nil {
					t.Errorf("%s: %q names %s, which does not exist", name, command, m[1])
				}
			}
			checkGo(t, name, command)
			ours := strings.TrimPrefix(command, "go run ./cmd/")
			for begin := range notHere {
				if strings.HasPrefix(command, begin) {
					used[begin] = true
				}
			}
			if words := strings.Fields(comment.ReplaceAllString(ours, "")); words[0] == "claimcheck" {
				p, err := f.Start("claimcheck", nil, words[1], "--help")
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Wait(); err != nil {
					t.Errorf("%s: %q: there is no such command", name, command)
				}
				for _, w := range words[2:] {
					flag, _, _ := strings.Cut(w, "=")
					known := strings.Contains(p.Output(), flag) || strings.Contains(p.Output(), strings.Replace(flag, "--no-", "--[no-]", 1))
					if strings.HasPrefix(flag, "--") && !known {
						t.Errorf("%s: %q: claimcheck %s has no flag %s", name, command, words[1], flag)
					}
				}
			} else if reasonNotToRun(command) == "" && !runs {
				if !strings.HasPrefix(command, "curl -i http://localhost:8080/") { // as the README's
					t.Errorf("%s: %q is neither executed by a test nor is it said why not", name, command)
				}
			}
		}
	}
	for begin, why := range notHere {
		if !used[begin] {
			t.Errorf("no page has a command %q, which %s", begin, why)
		}
	}
}

var (
	goPackage = regexp.MustCompile(`^go (?:run|test) .*?(\.(?:/internal/[a-z0-9/]+)?)(?: |$)`)
	goPattern = regexp.MustCompile(` -(?:run|bench) ([A-Za-z]+)`)
	goFlag    = regexp.MustCompile(` -([a-z]+)`)
	goOwnFlag = regexp.MustCompile(`^(run|bench|benchtime|v)$`)
)

// checkGo looks in a package for the tests, the benchmarks and the flags that a command
// names, which nobody would miss if they were called otherwise.
func checkGo(t *testing.T, page, command string) {
	t.Helper()
	m := goPackage.FindStringSubmatch(comment.ReplaceAllString(command, ""))
	if m == nil {
		return
	}
	files, err := filepath.Glob(filepath.Join(awstest.Module(m[1]), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source += string(b)
	}
	for _, p := range goPattern.FindAllStringSubmatch(command, -1) {
		if !regexp.MustCompile(`\nfunc (Test|Benchmark)[A-Za-z0-9]*` + p[1]).MatchString(source) {
			t.Errorf("%s: %q: %s has no %s", page, command, m[1], p[1])
		}
	}
	for _, p := range goFlag.FindAllStringSubmatch(command, -1) {
		if !goOwnFlag.MatchString(p[1]) && !strings.Contains(source, `"`+p[1]+`", `) {
			t.Errorf("%s: %q: %s has no flag %s", page, command, m[1], p[1])
		}
	}
}

// TestStructure looks for what the pictures of the structure name.
func TestStructure(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "docs/design.md"} {
		_, block, ok := strings.Cut(readPage(t, name), "\n## Structure\n\n")
		block, _, end := strings.Cut(strings.TrimPrefix(block, "```\n"), "\n\n")
		if !ok || !end {
			t.Fatalf("%s has no picture of the structure", name)
		}
		for line := range strings.Lines(block) {
			path, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if path == "```" {
				break
			}
			if _, err := os.Stat(awstest.Module(strings.TrimSuffix(path, ","))); err != nil {
				t.Errorf("%s tells of %s, which does not exist", name, path)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`(?:\]\(|src=")([^)":]*?)(?:#([^)"]*))?[)"]`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noMark  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestLinks follows each link from page to page, to its heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(awstest.Module("docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{} // without code
	anchors := map[string]map[string]bool{}
	for _, name := range append(pages, awstest.Module("README.md")) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text[name] = fence.ReplaceAllString(string(b), "")
		anchors[name] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(text[name], -1) {
			anchors[name][strings.ReplaceAll(noMark.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
		}
	}
	linked := map[string]bool{}
	for name, page := range text {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			to := name
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(name), m[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s points to %s, which does not exist", name, m[1])
			} else if m[2] != "" && !anchors[to][m[2]] {
				t.Errorf("%s points to %s#%s, a heading that the page does not have", name, m[1], m[2])
			}
			if filepath.Base(name) == "README.md" {
				linked[to] = true
			}
		}
	}
	for _, name := range pages {
		if !linked[name] {
			t.Errorf("the README does not point to %s", name)
		}
	}
}

// TestEveryVariableIsTold compares docs/configuration.md's table, and the README's few
// lines of it, with what the configuration is read from and its defaults.
func TestEveryVariableIsTold(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{}
	var read func(reflect.Type)
	read = func(of reflect.Type) {
		for f := range of.Fields() {
			if name := f.Tag.Get("env"); name != "" {
				defaults[name] = f.Tag.Get("envDefault")
			} else if f.Type.Kind() == reflect.Struct {
				read(f.Type)
			}
		}
	}
	read(reflect.TypeFor[config.Config]())
	row, name := regexp.MustCompile("(?m)^\\| (`[A-Z0-9_]+`.*?) \\| ?(.*?) ?\\| "), regexp.MustCompile("`([A-Z0-9_]+)`")
	for page, most := range map[string]int{"docs/configuration.md": 99, "README.md": 5} {
		told := map[string]bool{}
		for _, m := range row.FindAllStringSubmatch(readPage(t, page), -1) {
			values := strings.Split(m[2], ", ")
			for i, n := range name.FindAllStringSubmatch(m[1], -1) {
				told[n[1]] = true
				want, ours := defaults[n[1]]
				if !ours && !strings.HasPrefix(n[1], "AWS_") && !strings.HasPrefix(n[1], "OTEL_") {
					t.Errorf("%s tells of %s, which nobody reads", page, n[1])
				}
				if want != "" && (i >= len(values) || values[i] != want) {
					t.Errorf("%s says that %s is %q by default; it is %q", page, n[1], m[2], want)
				}
			}
		}
		if page == "README.md" {
			if len(told) != most {
				t.Errorf("the README tells of %d variables, not of the %d that one needs first", len(told), most)
			}
			continue
		}
		for n := range defaults {
			if !told[n] && !platforms.MatchString(n) {
				t.Errorf("%s does not tell of %s", page, n)
			}
		}
	}
}

// platforms are variables that platforms set, and no operator.
var platforms = regexp.MustCompile(`^(K_SERVICE|K_REVISION|CLOUD_RUN_WORKER_POOL|AWS_LAMBDA_[A-Z_]+)$`)
