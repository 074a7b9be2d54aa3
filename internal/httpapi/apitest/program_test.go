package apitest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/oapi-codegen/runtime" // what the generated client imports

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/httpapi"
)

// TestGeneratedClient builds a program outside of this module whose client oapi-codegen
// generates from openapi.yaml, and runs a job with it.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(awstest.Path("testdata/program"))); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"go.mod":       regexp.MustCompile(`(?m)^module .*$`).ReplaceAll(read(t, "../../../go.mod"), []byte("module program.example")),
		"go.sum":       read(t, "../../../go.sum"),
		"openapi.yaml": httpapi.OpenAPI(),
	} {
		write(t, filepath.Join(dir, name), content)
	}
	tool := run(t, awstest.Path("."), nil, "go", "tool", "-n", "oapi-codegen")
	if err := os.Mkdir(filepath.Join(dir, "client"), 0o777); err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(dir, "client"), nil, strings.TrimSpace(tool), "-config", "../oapi-codegen.yaml", "../openapi.yaml")
	got := run(t, dir, read(t, "../../imageinfo/testdata/rainier.jpg"), "go", "run", "-mod=mod", ".", s.URL)
	if want := "completed 768 urn:claimcheck:problem:not_found\n"; got != want {
		t.Errorf("the program says %q, want %q", got, want)
	}
}

// run returns what a command says on its standard output.
func run(t *testing.T, dir string, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.Bytes())
	}
	return string(out)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(awstest.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o666); err != nil {
		t.Fatal(err)
	}
}
