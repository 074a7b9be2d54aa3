package claimcheck

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
)

func readREADME(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(awstest.Path("README.md"))
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
	"go test ./...":                 "is the suite that this test is of",
	"go install ./cmd/claimcheck":   "would build once more what the test has built",
	"go run ./cmd/claimcheck local": "is run by TestFirstLine, and with the issuer that it is told by TestREADMECommands",
	"docker ":                       "wants a container engine; .ci/container/smoke builds the image and runs both of its commands",
	"podman ":                       "wants a container engine; .ci/container/smoke does the same",
	"gcloud ":                       "wants an account; TestDeployment knows its commands and flags",
	"ID=$(gcloud ":                  "wants an account; TestDeployment knows its commands and flags",
	"URL=$(gcloud ":                 "wants an account; TestDeployment knows its commands and flags",
	"URL=$(aws ":                    "wants an account",
	"curl -i ${URL}":                "asks a deployed service",
	"PROJECT=":                      "names what an account has",
	"export AWS_REGION=":            "names what an account has",
	"export S3_BUCKET=":             "names what an account has",
	"VERSION=$(git describe":        "wants a clone with its tags",
	"for ":                          "loops over calls that want an account",
	"aws ":                          "wants an account",
	"ACCOUNT=$(aws ":                "wants an account",
	"sed \"s/SERVICE_ACCOUNT_ID/":   "takes what gcloud has said",
	"echo \"PUBLIC_URL: ":           "is for a file of the operator's",
	"curl -i $URL/":                 "asks a deployed service",
	"curl -i -H \"Authorization: ":  "asks a deployed service",
	"CGO_ENABLED=0 ":                "is what TestRuntime of cmd/lambda builds",
	"zip ":                          "packs that for an account",
	"python3 worker.py":             "is run by TestPythonWorker",
	"PROCESSOR=":                    "is run by TestREADMEProcessors",
	"go run ./internal/bench":       "measures for minutes; the package's own tests run a short form",
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
	assignment = regexp.MustCompile(`^(export )?[A-Z_]+=`)
	comment    = regexp.MustCompile(`\s+# .*$`)
)

// terminal runs a page's commands one after the other, as somebody would who follows it.
type terminal struct {
	dir     string
	environ []string
	names   *strings.Replacer // what stands here for the hosts and places of the page
	state   string            // assignments so far
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+c.state+line)
	cmd.Dir, cmd.Env = c.dir, c.environ
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", command, err, out)
		return
	}
	if assignment.MatchString(line) {
		c.state += line + "\n"
	}
	if m := jobOf.FindSubmatch(out); m != nil {
		c.jobID = string(m[1])
	}
}

// TestREADMECommands executes each command line of the README as it is written, but for
// what notHere says and for what the replacer below puts in the place of hosts.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name)
		}
	}
	l := startLocal(t, localFlags(t))
	issuer := apptest.StartProvider(t)
	vars := []string{"PATH=" + binaries + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}
	for k, v := range l.exports() {
		vars = append(vars, k+"="+v)
	}
	closed := startLocal(t, localFlags(t), "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE=claimcheck")

	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("picture.jpg", rainier(t))
	write("internal/media/testdata/rainier.jpg", rainier(t))
	write(".curlrc", []byte("fail\nsilent\nshow-error\n")) // an answer of 4xx or 5xx is a failure
	terminalOf := func(l local) *terminal {
		return &terminal{
			dir: dir, api: l.url,
			environ: append(slices.Clone(vars), "CURL_HOME="+dir, "CLAIMCHECK_SERVER="+l.url, "CLIENT_ID="+apptest.ClientID, "CLIENT_SECRET="+apptest.ClientSecret),
			names: strings.NewReplacer(
				"http://localhost:8080", l.url,
				"https://id.example.com", issuer.URL,
				"2026-11-01", time.Now().UTC().Format("2006-01")+"-01",
			),
		}
	}
	page := readREADME(t)
	before, rest, _ := strings.Cut(page, "\n## Who may\n")
	who, after, ok := strings.Cut(rest, "\n### Threat model\n")
	if !ok {
		t.Fatal("the README does not say who may")
	}
	ran := 0
	run := func(term *terminal, commands []string) {
		for _, command := range commands {
			if reasonNotToRun(command) == "" {
				term.run(t, command)
				ran++
			}
		}
	}
	run(terminalOf(l), commands(before+after))
	signedIn := terminalOf(closed)
	signedIn.auth = []string{"Authorization", issuer.Bearer(apptest.ClientID)}
	run(signedIn, commands(who))
	welcome := welcomed(closed.Output())
	if len(welcome) != 3 {
		t.Errorf("claimcheck local does not say how to use it: %s", closed.Output())
	}
	run(signedIn, welcome)
	if ran < 20 {
		t.Errorf("%d commands were found", ran)
	}
	for _, name := range []string{"out.jpg", "results"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("the commands have not left %s", name)
		}
	}
}

// welcomed returns the curl lines that `claimcheck local` begins with.
func welcomed(output string) (lines []string) {
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestDocumentedCommands looks at the commands of all pages: bash can read them, the
// files that they name exist, our own command knows their flags, and of all others
// notHere says why they are not executed.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(awstest.Path("docs/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	f, err := built()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range append(pages, awstest.Path("README.md")) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		isREADME := filepath.Base(name) == "README.md"
		all := commands(string(b))
		if out, err := exec.Command("bash", "-n", "-c", strings.Join(all, "\n")).CombinedOutput(); err != nil {
			t.Errorf("%s: bash cannot read its commands: %s", name, out)
		}
		for _, command := range all {
			for _, m := range sourcePath.FindAllStringSubmatch(strings.ReplaceAll(command, "$who", "server"), -1) {
				if _, err := os.Stat(awstest.Path(m[1])); err != nil {
					t.Errorf("%s: %q names %s, which does not exist", name, command, m[1])
				}
			}
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
			} else if reasonNotToRun(command) == "" && !isREADME {
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

// TestStructure looks for what the README's last picture names.
func TestStructure(t *testing.T) {
	t.Parallel()
	_, block, ok := strings.Cut(readREADME(t), "\n## Structure\n\n")
	block, _, end := strings.Cut(block, "\n\n")
	if !ok || !end {
		t.Fatal("the README has no picture of the structure")
	}
	for line := range strings.Lines(block) {
		path, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := os.Stat(awstest.Path(strings.TrimSuffix(path, ","))); err != nil {
			t.Errorf("the README tells of %s, which does not exist", path)
		}
	}
}
