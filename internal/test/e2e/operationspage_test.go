package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

var (
	pageRecord = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ((?:debug|info|warning|error)[^|]*) \\|([^|]*)\\|")
	logged     = regexp.MustCompile(`\.(Info|Warn|Error)(?:Context)?\((?:[a-zA-Z.]+(?:\(\))?, )?"([^"]+)"`)
	severities = map[string]string{"Info": "info", "Warn": "warning", "Error": "error"}
	code       = regexp.MustCompile("`([^`]+)`")
)

// services are the packages whose records are of servers and workers; the others are of
// commands, or of what only tests run.
var services = []string{"app", "cedarauthz", "httpapi", "job", "keyless", "oidcauthn", "processor", "s3store", "sqsqueue", "telemetry", "worker"}

// TestOperationsPageRecords looks for the log records of docs/operations.md in the source,
// with their severities and fields, and for the page's rows of all warnings and errors.
func TestOperationsPageRecords(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(awstest.Module("docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, name := range services {
		err := filepath.WalkDir(awstest.Module("internal/"+name), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "jobtest") || strings.Contains(path, "keylesstest") {
				return err
			}
			b, err := os.ReadFile(path)
			sources = append(sources, string(b))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	told := map[string]string{} // severities
	for _, row := range pageRecord.FindAllStringSubmatch(string(page), -1) {
		message, severity := row[1], row[2]
		told[message] = severity
		in := strings.Join(slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return !strings.Contains(s, `"`+message+`"`) }), "\n")
		if in == "" {
			t.Errorf("the page tells of the record %q, which nothing writes", message)
			continue
		}
		if message == "request" { // what it says of a refusal comes from problem.go
			in = strings.Join(sources, "\n")
		}
		for _, field := range code.FindAllStringSubmatch(row[3], -1) {
			if !strings.Contains(in, `"`+field[1]+`"`) {
				t.Errorf("the page says that the record %q has the field %s", message, field[1])
			}
		}
	}
	written := 0
	for _, s := range sources {
		for _, m := range logged.FindAllStringSubmatch(s, -1) {
			severity, ok := told[m[2]]
			switch {
			case ok && !strings.HasPrefix(severity, severities[m[1]]):
				t.Errorf("the page says that the record %q is of %s; it is of %s", m[2], severity, severities[m[1]])
			case !ok && m[1] != "Info":
				t.Errorf("the page does not tell of the record %q", m[2])
			case ok:
				written++
			}
		}
	}
	if written < 15 {
		t.Errorf("%d records were found", written)
	}
}

// TestPagesPointSomewhere follows the links of pages to files and their headings.
func TestPagesPointSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]+))?\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	for _, name := range []string{"docs/operations.md", "docs/image.md"} {
		page, err := os.ReadFile(awstest.Module(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(page), -1) {
			to := page
			if m[1] != "" {
				if to, err = os.ReadFile(awstest.Module("docs/" + m[1])); err != nil {
					t.Errorf("%s points to %s: %v", name, m[1], err)
					continue
				}
			}
			found := m[2] == ""
			for _, h := range heading.FindAllSubmatch(to, -1) {
				words := regexp.MustCompile("[^a-z0-9 -]").ReplaceAllString(strings.ToLower(string(h[1])), "")
				found = found || strings.ReplaceAll(words, " ", "-") == m[2]
			}
			if !found {
				t.Errorf("%s points to the heading %s of %s, which is not there", name, m[2], m[1])
			}
		}
	}
}
