package docs_test

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

// fromAnApp runs the programs of README.md that other apps have in them. The page among
// them is run in a browser, in package browser.
func fromAnApp(t *testing.T, l service.Local) {
	tests := []struct{ mark, program, file string }{
		{"<!-- run by node -->", "node", "resize.mjs"},
		{"<!-- run by python3 -->", "python3 with requests", "resize.py"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			path := program.Need(t, tt.program)
			blocks := marked(readPage(t, "README.md"), tt.mark)
			if len(blocks) != 1 || !strings.Contains(blocks[0], "http://localhost:8080") {
				t.Fatalf("README.md has %q after %s", blocks, tt.mark)
			}
			run := func(photograph []byte) (dir, out string, err error) {
				dir = t.TempDir()
				for name, content := range map[string][]byte{
					"picture.jpg": photograph, tt.file: []byte(strings.ReplaceAll(blocks[0], "http://localhost:8080", l.URL)),
				} {
					if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, path, tt.file)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "NO_PROXY=*")
				b, err := cmd.CombinedOutput()
				return dir, string(b), err
			}
			dir, out, err := run(apptest.Photograph(t))
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			small, err := os.ReadFile(filepath.Join(dir, "small.jpg"))
			if err != nil {
				t.Fatal(err)
			}
			if c, format, err := image.DecodeConfig(bytes.NewReader(small)); err != nil || format != "jpeg" || c.Width != 320 {
				t.Errorf("small.jpg is %s of %d × %d, %v", format, c.Width, c.Height, err)
			}
			if _, out, err := run([]byte("no picture")); err == nil || !strings.Contains(out, "the file is not an image by its content") {
				t.Errorf("a file that is not an image: %v: %s", err, out)
			}
		})
	}
}
