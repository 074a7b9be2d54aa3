// Package vipstest builds the vips engine, for tests that run it.
package vipstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is the program, once for each test binary.
var built = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "claimcheck-imaging-")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "imaging")
	cmd := exec.Command("go", "build", "-tags", "vips", "-o", path, "claimcheck.example/cmd/imaging")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return string(out), err
	}
	return path, nil
})

// Build returns the path of the program. Where libvips is not there to build it with, the
// test is skipped; in continuous integration, which installs it, it fails.
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
	path, err := built()
	if err != nil {
		tb.Fatalf("build cmd/imaging: %v: %s", err, path)
	}
	return path
}

// Clean removes what Build has made: for TestMain, when the tests are over.
func Clean() {
	if path, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
}
