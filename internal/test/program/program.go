// Package program finds the programs outside of this module that some tests run. It asks
// a program for its identity: another one under the same name counts as none.
package program

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// known are the questions by which a program identifies itself, and its Debian packages.
// A shell is one with the usual commands.
var known = map[string]struct {
	args         []string
	says, debian string
}{
	"bash":          {[]string{"--version"}, "GNU bash", "bash"},
	"cat":           {[]string{"/dev/null"}, "", "coreutils"},
	"chromium":      {[]string{"--version"}, "Chromium", "chromium"},
	"convert":       {[]string{"-version"}, "ImageMagick", "imagemagick"},
	"curl":          {[]string{"--version"}, "curl ", "curl"},
	"heif-enc":      {[]string{"--help"}, "heif-enc", "libheif-examples"},
	"jq":            {[]string{"--version"}, "jq-", "jq"},
	"node":          {[]string{"--eval", "console.log(typeof fetch, typeof FormData)"}, "function function", "nodejs"},
	"prometheus":    {[]string{"--version"}, "prometheus, version", "prometheus"},
	"promtool":      {[]string{"--version"}, "promtool, version", "prometheus"},
	"sh":            {[]string{"-c", "for c in awk cat env grep head mkfifo setsid sleep tr; do command -v $c >/dev/null || exit 1; done; echo a shell $((2 + 3))"}, "a shell 5", "dash coreutils util-linux"},
	"sleep":         {[]string{"0"}, "", "coreutils"},
	"vipsthumbnail": {[]string{"--vips-version"}, "libvips", "libvips-tools"},
	"python3 with requests": {
		[]string{"-c", "import requests; print('it has', requests.__name__)"}, "it has requests", "python3-requests",
	},
	"python3 with boto3 and Pillow": {
		[]string{"-c", "import sys, boto3, PIL; assert sys.version_info >= (3, 11); print('it has both')"}, "it has both", "python3-boto3 python3-pil",
	},
}

// NeedProcessor is Need of the program that a PROCESSOR among settings names, if it is
// one of those that tests take from the system.
func NeedProcessor(tb testing.TB, settings []string) {
	tb.Helper()
	for _, kv := range settings {
		if line, ok := strings.CutPrefix(kv, "PROCESSOR=exec:"); ok {
			name, _, _ := strings.Cut(line, " ")
			if _, ok := known[name]; ok {
				Need(tb, name)
			}
		}
	}
}

// Need returns the path of a program. It skips the test where the program is not
// installed; in continuous integration, which installs every one, it fails.
func Need(tb testing.TB, name string) (path string) {
	tb.Helper()
	p, ok := known[name]
	if !ok {
		tb.Fatalf("package program does not know how to ask %s who it is", name)
	}
	candidates := []string{name}
	if first, _, ok := strings.Cut(name, " with "); ok { // the system's has Debian's packages, whichever comes first
		candidates = []string{first, "/usr/bin/" + first}
	}
	for _, candidate := range candidates {
		path, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, path, p.args...).CombinedOutput()
		cancel()
		if err == nil && strings.Contains(string(out), p.says) {
			return path
		}
	}
	Lacks(tb, "%s is not installed; .ci/debian %s installs it", name, p.debian)
	return ""
}

// Lacks skips the test for want of something that this machine does not have; in continuous
// integration, whose machines have it, it fails.
func Lacks(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf("SKIPPED: "+format, args...)
}
