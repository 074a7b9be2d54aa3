package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// dialers are the packages that open connections, with their destination. Only package
// outbound may connect to an address that a client names.
var dialers = map[string]string{
	"internal/outbound":         "addresses that clients name",
	"internal/awsclient":        "AWS, or the endpoint that the operator sets",
	"internal/s3store":          "AWS, or the endpoint that the operator sets",
	"internal/app":              "AWS, or the endpoint that the operator sets; it bounds what the kernel holds of answers",
	"internal/workloadidentity": "the metadata server of Google Cloud",
	"internal/oidcauthn":        "the issuers that the operator sets",
	"internal/processor/remote": "the server that the operator sets as PROCESSOR",
	"internal/awslocal":         "its own servers on loopback",
	"internal/client":           "the API, on behalf of its user",
	"cmd/claimcheck":            "the API, on behalf of its user",
}

// dials are the names by which the standard library opens connections, or creates what
// does.
var dials = map[string][]string{
	"net/http":   {"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"},
	"net":        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
}

func TestOnlyListedPackagesDial(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for path, p := range list(t, "./...") {
		if isTest(path) {
			continue
		}
		short := strings.TrimPrefix(path, module+"/")
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if what := dialled(f); what != "" {
				found[short] = true
				if dialers[short] == "" {
					t.Errorf("%s/%s uses %s: a connection to an address that a client names is made by package outbound, and one to another address is named in the table of this test", short, name, what)
				}
			}
		}
	}
	for short := range dialers {
		if !found[short] {
			t.Errorf("%s dials nothing any more: take it out of the table of this test", short)
		}
	}
}

// dialled returns the first name of dials that a file uses, whatever it calls the
// package.
func dialled(f *ast.File) (what string) {
	local := map[string]string{}
	for _, imp := range f.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		local[name] = path
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(dials[local[x.Name]], sel.Sel.Name) {
				what = x.Name + "." + sel.Sel.Name
			}
		}
		return what == ""
	})
	return what
}
