package layout_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

// TestRaceless holds the list of packages that make race leaves out: each exists, and has
// nothing but tests, or is a program that measures others. So all code of the service has its
// own tests under the race detector.
func TestRaceless(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(awstest.Module("Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^raceless = (.*)$`).FindSubmatch(makefile)
	if names == nil {
		t.Fatal("the Makefile has no list")
	}
	all := list(t, "./...")
	for name := range strings.FieldsSeq(string(names[1])) {
		p, ok := all[module+"/"+name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		if code := len(p.GoFiles) > 0; code && name != "internal/test/bench" {
			t.Errorf("%s has code beside its tests, which make race leaves out", name)
		}
	}
}
