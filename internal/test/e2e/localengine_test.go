package e2e_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
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
	built, err := process.Source{Root: awstest.Module(".")}.Build(t.Context(), nil, "internal/processor/imaging/vips/testdata/stranger")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(built.Dir(), "stranger"), filepath.Join(dir, "bin", "imaging")); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir() // no other engine is installed
	l := service.StartLocalIn(t, dir, service.LocalFlags(t), "IMAGING=vips", "PATH="+empty, "LOG_LEVEL=info")
	if !strings.Contains(l.Output(), "stranger") { // the version that this engine states
		t.Errorf("the log does not name the engine: %s", l.Output())
	}
}
