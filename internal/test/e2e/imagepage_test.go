package e2e_test

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
)

// TestImagePageCommands runs the lines of docs/image.md as they are written, on a
// photograph. Its tables are compared in internal/processor.
func TestImagePageCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	l := startLocal(t, localFlags(t))
	dir := clone(t, "internal/imageinfo/testdata")
	for lines := bufio.NewScanner(strings.NewReader(fenced(t, readPage(t, "docs/image.md"), "sh"))); lines.Scan(); {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(lines.Text(), "http://localhost:8080", l.url))
		cmd.Dir = dir
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), `"status":"completed"`) {
			t.Errorf("%s: %v: %s", lines.Text(), err, out)
		}
	}
}
