package layout_test

import (
	"slices"
	"strings"
	"testing"
)

// core is the domain: each package with the packages of this module that it may import.
// No arrow points up, and none leads from one of service, worker and redrive to another.
var core = map[string][]string{
	"job":           nil,
	"limiter":       {"job"},
	"job/jobtest":   {"job"},
	"webhook":       {"job"},
	"service":       {"job", "limiter", "service/authz", "signature", "webhook"},
	"service/authz": {"job", "signature"},
	"worker":        {"job", "webhook"},
	"redrive":       {"job"},
}

// TestImportsOfTheCore compares the domain with the table, including its tests, which may
// also import the twins of package jobtest and package overlap, but no adapter. No package of the domain is
// outside of the table.
func TestImportsOfTheCore(t *testing.T) {
	t.Parallel()
	const internal = module + "/internal/"
	all := list(t, "./...")
	for path := range all {
		name := strings.TrimPrefix(path, internal)
		family, _, _ := strings.Cut(name, "/")
		if _, ok := core[name]; !ok && slices.Contains([]string{"job", "service", "worker", "redrive"}, family) {
			t.Errorf("%s is not in the table", name)
		}
	}
	for name, may := range core {
		p, ok := all[internal+name]
		if !ok {
			t.Errorf("there is no package %s", name)
			continue
		}
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if dep != module && !strings.HasPrefix(dep, module+"/") {
				continue
			}
			inTest := !slices.Contains(p.Imports, dep)
			short := strings.TrimPrefix(dep, internal)
			switch {
			case slices.Contains(may, short):
			case inTest && (short == name || short == "job/jobtest" || short == "test/overlap"):
			default:
				t.Errorf("%s imports %s; it may import %q", name, dep, may)
			}
		}
	}
}
