// Package vipstest builds the vips engine, for tests that run it.
package vipstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/leftover"
	"claimcheck.example/internal/test/program"
)

// shared is the program, which all tests of a run share.
var shared struct {
	sync.Mutex
	users  int
	path   string
	remove func() error
}

func acquire(tb testing.TB) string {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.users == 0 {
		dir, remove, err := leftover.Dir("claimcheck-imaging-")
		if err != nil {
			tb.Fatal(err)
		}
		shared.remove = remove
		shared.path = filepath.Join(dir, "imaging")
		cmd := exec.Command("go", "build", "-tags", "vips", "-o", shared.path, "claimcheck.example/cmd/imaging")
		cmd.Dir = awstest.Module(".") // the local S3 changes the working directory
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			_ = remove()
			tb.Fatalf("build cmd/imaging: %v: %s", err, out)
		}
	}
	shared.users++
	tb.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.users--; shared.users == 0 {
			if err := shared.remove(); err != nil {
				tb.Error(err)
			}
		}
	})
	return shared.path
}

// Build returns the path of the program. Without libvips it skips the test; in continuous
// integration, which installs libvips, it fails.
func Build(tb testing.TB) string {
	tb.Helper()
	for _, need := range [][]string{{"pkg-config", "--exists", "vips >= 8.14"}, {"gcc", "--version"}} {
		if err := exec.Command(need[0], need[1:]...).Run(); err != nil {
			program.Lacks(tb, "the vips engine cannot be built (%s: %v); .ci/debian gcc libc6-dev libvips-dev pkg-config installs what it needs", strings.Join(need, " "), err)
		}
	}
	return acquire(tb)
}
