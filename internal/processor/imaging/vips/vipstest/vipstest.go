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
			if os.Getenv("CI") == "true" {
				tb.Fatalf("%s: %v; .ci/debian gcc libc6-dev libvips-dev pkg-config installs what the vips engine is built with", strings.Join(need, " "), err)
			}
			tb.Skip("SKIPPED: the vips engine is not tested: libvips 8.14 or newer is not installed (Debian: gcc libc6-dev libvips-dev pkg-config)")
		}
	}
	return acquire(tb)
}
