package e2e_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// TestLocalFindsTheEngineInBin runs `claimcheck local` in a folder whose bin/imaging speaks
// the engine's protocol, where make imaging puts the real one. With IMAGING=vips it starts
// only when it finds that program, although the local S3 takes the working directory.
func TestLocalFindsTheEngineInBin(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: engines run on Linux only")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "imaging"), "./internal/processor/imaging/vips/testdata/stranger")
	build.Dir = awstest.Module(".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build an engine: %v: %s", err, out)
	}
	empty := t.TempDir() // no other engine is installed
	l := service.StartLocalIn(t, dir, service.LocalFlags(t), "IMAGING=vips", "PATH="+empty, "LOG_LEVEL=info")
	if !strings.Contains(l.Output(), "stranger") { // the version that this engine states
		t.Errorf("the log does not name the engine: %s", l.Output())
	}
}
