// Package vipstest builds the vips engine, for tests that run it.
package vipstest

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

// Build returns the path of the program, which all test processes share. Without libvips
// it skips the test; in continuous integration, which installs libvips, it fails.
func Build(tb testing.TB) string {
	tb.Helper()
	for _, need := range [][]string{{"pkg-config", "--exists", "vips >= 8.14"}, {"gcc", "--version"}} {
		if err := exec.Command(need[0], need[1:]...).Run(); err != nil {
			program.Lacks(tb, "the vips engine cannot be built (%s: %v); .ci/debian gcc libc6-dev libvips-dev pkg-config installs what it needs", strings.Join(need, " "), err)
		}
	}
	built, err := process.Source{Root: awstest.Module("."), Tags: "vips", Cgo: true}.Build(context.WithoutCancel(tb.Context()), nil, "imaging")
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(built.Dir(), "imaging")
}
