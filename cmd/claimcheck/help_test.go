package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestHelp compares what --help says with the golden files, and these with the commands.
func TestHelp(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"claimcheck.txt": true}
	help := func(file string, args ...string) {
		t.Helper()
		path := awstest.Path(filepath.Join("testdata/help", file))
		r := claimcheck(t.Context(), nil, append(args, "--help")...)
		if *update {
			if err := os.WriteFile(path, []byte(r.out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; write it by go test -run Help ./cmd/claimcheck -update", err)
		}
		if diff := cmp.Diff(string(golden), r.out); diff != "" || r.code != 0 || r.err != "" {
			t.Errorf("claimcheck %q: exit code %d, errors %q (-want +got):\n%s", args, r.code, r.err, diff)
		}
		for line := range strings.Lines(r.out) {
			if len(line) > 101 {
				t.Errorf("claimcheck %q: a line of %d characters: %s", args, len(line)-1, line)
			}
		}
	}
	help("claimcheck.txt")
	for _, c := range parser.Model.Leaves(true) {
		want[c.Name+".txt"] = true
		help(c.Name+".txt", c.Name)
	}
	files, err := os.ReadDir(awstest.Path("testdata/help"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s is of no command", f.Name())
		}
	}
}
