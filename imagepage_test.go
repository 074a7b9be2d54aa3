package claimcheck

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

// TestImagePageCommands runs the lines of docs/image.md as they are written, on a
// photograph. Its tables are compared in internal/processor.
func TestImagePageCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	page, err := os.ReadFile(awstest.Path("docs/image.md"))
	if err != nil {
		t.Fatal(err)
	}
	l := startLocal(t, localFlags(t))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "picture.jpg"), rainier(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(strings.NewReader(fenced(t, string(page), "sh"))); lines.Scan(); {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(lines.Text(), "http://localhost:8080", l.url))
		cmd.Dir = dir
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), `"status":"completed"`) {
			t.Errorf("%s: %v: %s", lines.Text(), err, out)
		}
	}
}
