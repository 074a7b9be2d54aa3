package docs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/test/service"
)

var (
	link    = regexp.MustCompile(`(?:\]\(|src=")([^)":]*?)(?:#([^)"]*))?[)"]`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noMark  = regexp.MustCompile(`[^a-z0-9 _-]`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	flags   = regexp.MustCompile(`claimcheck ([a-z]+)((?: +[^ \n|>` + "`" + `]+)*)`)
	source  = regexp.MustCompile(`(?m)(?:^|[ (` + "`" + `])(?:\./)?((?:cmd|internal)/[a-z0-9_/]+(?:\.[a-z]+)?)`)
	target  = regexp.MustCompile("`make ([a-z0-9]+)")
	row     = regexp.MustCompile("(?m)^\\| (`[A-Z0-9_]+`.*?) \\| ?(.*?) ?\\| ")
	quoted  = regexp.MustCompile("`([A-Z0-9_]+)`")
	// platforms are variables that only platforms set.
	platforms = regexp.MustCompile(`^(K_SERVICE|K_REVISION|CLOUD_RUN_WORKER_POOL|AWS_LAMBDA_[A-Z_]+)$`)
)

// pages returns README.md, CONTRIBUTING.md and the pages of docs by their paths in the module.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(awstest.Module("docs/*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	all := map[string]string{"README.md": readPage(t, "README.md"), "CONTRIBUTING.md": readPage(t, "CONTRIBUTING.md")}
	for _, name := range names {
		name = "docs/" + filepath.Base(name)
		all[name] = readPage(t, name)
	}
	return all
}

// TestNames checks what the pages point to: files and headings behind links, packages,
// targets of make, and flags of the command. The README must point to every page.
func TestNames(t *testing.T) {
	t.Parallel()
	all := pages(t)
	anchors := map[string]map[string]bool{}
	for name, page := range all {
		anchors[name] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
			anchors[name][strings.ReplaceAll(noMark.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
		}
	}
	linked, help := map[string]bool{"README.md": true}, map[string]string{}
	makefile := readPage(t, "Makefile")
	for name, page := range all {
		for _, m := range target.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+": ") {
				t.Errorf("%s: there is no target %s in the Makefile", name, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
			to := name
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(name), m[1])
			}
			if _, err := os.Stat(awstest.Module(to)); err != nil {
				t.Errorf("%s points to %s, which does not exist", name, m[1])
			} else if m[2] != "" && !anchors[to][m[2]] {
				t.Errorf("%s points to %s#%s, a heading that the page does not have", name, m[1], m[2])
			}
			if name == "README.md" {
				linked[to] = true
			}
		}
		for _, m := range source.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(awstest.Module(m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
		for _, m := range flags.FindAllStringSubmatch(page, -1) {
			for word := range strings.FieldsSeq(m[2]) {
				flag, _, _ := strings.Cut(word, "=")
				if !strings.HasPrefix(flag, "--") {
					continue
				}
				if help[m[1]] == "" {
					p, err := service.Commands(t).Start("claimcheck", nil, m[1], "--help")
					if err != nil {
						t.Fatal(err)
					}
					if err := p.Wait(); err != nil {
						t.Errorf("%s: claimcheck has no command %s", name, m[1])
					}
					help[m[1]] = p.Output()
				}
				if text := help[m[1]]; !strings.Contains(text, flag) && !strings.Contains(text, strings.Replace(flag, "--no-", "--[no-]", 1)) {
					t.Errorf("%s: claimcheck %s has no flag %s", name, m[1], flag)
				}
			}
		}
	}
	for name := range all {
		if !linked[name] {
			t.Errorf("the README does not point to %s", name)
		}
	}
}

// TestVariables compares the tables of variables, and their defaults, with the
// configuration.
func TestVariables(t *testing.T) {
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
	for _, page := range []string{"docs/configuration.md", "README.md"} {
		listed := map[string]bool{}
		for _, m := range row.FindAllStringSubmatch(readPage(t, page), -1) {
			values := strings.Split(m[2], ", ")
			for i, n := range quoted.FindAllStringSubmatch(m[1], -1) {
				listed[n[1]] = true
				want, ours := defaults[n[1]]
				if !ours && !strings.HasPrefix(n[1], "AWS_") && !strings.HasPrefix(n[1], "OTEL_") {
					t.Errorf("%s lists %s, which nothing reads", page, n[1])
				}
				if want != "" && (i >= len(values) || values[i] != want) {
					t.Errorf("%s says that %s is %q by default; it is %q", page, n[1], m[2], want)
				}
			}
		}
		for n := range defaults {
			if page != "README.md" && !listed[n] && !platforms.MatchString(n) {
				t.Errorf("%s does not list %s", page, n)
			}
		}
	}
}

// TestRangeOfUploadTTL compares the range in its row with the one that a start names which
// refuses a value below it.
func TestRangeOfUploadTTL(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Server, []string{"UPLOAD_TTL=59s"})
	if err == nil {
		t.Fatal("59 s are taken")
	}
	said := regexp.MustCompile(`UPLOAD_TTL: 59s is out of range \((.*?)\)`).FindStringSubmatch(err.Error())
	if said == nil {
		t.Fatalf("59 s: %v", err)
	}
	if row := regexp.MustCompile("(?m)^\\| `UPLOAD_TTL` .*$").FindString(readPage(t, "docs/configuration.md")); !strings.Contains(row, said[1]) {
		t.Errorf("its row lacks %q: %s", said[1], row)
	}
}
