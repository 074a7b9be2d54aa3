// Package layout checks the rules of imports, and that the root folder has one file.
package layout_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

// listed is the output of go list for a package.
type listed struct {
	ImportPath   string
	Dir          string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

const module = "claimcheck.example"

func list(t *testing.T, args ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Standard,GoFiles,Imports,TestImports,XTestImports,Deps"}, args...)...)
	cmd.Dir = awstest.Module(".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.Bytes())
	}
	all := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// adapters connect the domain with one technology each.
var adapters = []string{"httpapi", "s3store", "sqsqueue", "pgstore", "dirstore", "processor", "oidcauthn", "cedarauthz", "preview", "awslambda", "outbound"}

// leaves import nothing of this module.
var leaves = []string{"imageinfo", "config", "telemetry", "awsclient", "workloadidentity", "proof", "provision", "cost"}

// shared leaves may be imported by adapters and other leaves.
var shared = []string{"imageinfo", "limiter", "awsclient", "proof", "signature", "digest", "early"}

// isTest reports whether a package is only for tests.
func isTest(path string) bool {
	return strings.HasPrefix(path, module+"/internal/test/") || strings.HasSuffix(path, "test")
}

// TestRootHasOneFile checks that the root folder has only function.go: Google's buildpack
// reads it, and a reader sees it first.
func TestRootHasOneFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(awstest.Module("*.go"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "function.go" {
		t.Errorf("the Go files of the root folder are %q, %v; want function.go alone", files, err)
	}
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	within := func(path string, names []string) bool {
		rest, ok := strings.CutPrefix(path, module+"/internal/")
		name, _, _ := strings.Cut(rest, "/")
		return ok && slices.Contains(names, name)
	}
	family := func(path string) (name string) {
		if rest, ok := strings.CutPrefix(path, module+"/internal/"); ok {
			name, _, _ = strings.Cut(rest, "/")
		}
		return name
	}
	for path, p := range list(t, "./...") {
		for _, dep := range p.Imports {
			if dep != module && !strings.HasPrefix(dep, module+"/") {
				continue
			}
			switch {
			case family(path) != "" && family(path) == family(dep): // a package and its own parts, or two of these
			case path == module+"/internal/httpapi" && dep == module+"/internal/service": // the transport of the service
			case within(path, leaves) && !within(dep, shared):
				t.Errorf("%s imports %s: it is a leaf", path, dep)
			case within(path, adapters) && dep != module+"/internal/job" && !within(dep, shared) && !isTest(path):
				t.Errorf("%s imports %s: an adapter imports the domain and never another adapter", path, dep)
			case dep == module+"/internal/app" && !strings.HasPrefix(path, module+"/cmd/") && path != module && !isTest(path):
				t.Errorf("%s imports %s: only the commands import the composition root", path, dep)
			}
		}
		for _, dep := range slices.Concat(p.TestImports, p.XTestImports) {
			if within(path, adapters) && within(dep, adapters) && family(path) != family(dep) {
				t.Errorf("a test of %s imports %s: the tests of an adapter need no other adapter", path, dep)
			}
		}
	}
}

func TestDomainNeedsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for path, p := range list(t, "-deps", "./internal/job") {
		if !p.Standard && path != module+"/internal/job" && path != "github.com/google/uuid" {
			t.Errorf("the domain depends on %s", path)
		}
	}
}

func TestProductionLinksNoEmulatorAndNoTestHelper(t *testing.T) {
	t.Parallel()
	unwanted := []string{
		"testing", "net/http/httptest", module + "/internal/awslocal", module + "/internal/job/jobtest", module + "/internal/app/apptest",
		"github.com/versity/versitygw", "go.etcd.io/bbolt", "google.golang.org/grpc", "github.com/getkin", "github.com/chromedp",
		"github.com/Shopify/toxiproxy", "pgregory.net/rapid", "github.com/zitadel", "github.com/modelcontextprotocol", "gonum.org", module + "/internal/test",
	}
	mains := []string{"./cmd/server", "./cmd/worker", "./cmd/function", "./cmd/lambda", "."}
	for _, main := range mains {
		for path := range list(t, "-deps", main) {
			for _, u := range unwanted {
				if path == u || strings.HasPrefix(path, u+"/") {
					t.Errorf("%s links %s", main, path)
				}
			}
		}
	}
}

// TestEnvironmentIsReadInFewPackages looks for reads of the environment outside of the
// composition root, the configuration, the commands and the supervisor of programs.
func TestEnvironmentIsReadInFewPackages(t *testing.T) {
	t.Parallel()
	// A supervisor passes its own environment, which its worker chose, on to the program.
	may := []string{module, module + "/internal/app", module + "/internal/config", module + "/internal/processor/command/sandbox/supervisor"}
	for path, p := range list(t, "./...") {
		if slices.Contains(may, path) || strings.HasPrefix(path, module+"/cmd/") || isTest(path) {
			continue
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, sel.Sel.Name) {
					t.Errorf("%s/%s reads the environment by os.%s", path, name, sel.Sel.Name)
				}
				return true
			})
		}
	}
}
