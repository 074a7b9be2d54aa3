package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/overlap"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/service"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// These tests follow the source of Google's buildpack for Go functions:
// github.com/GoogleCloudPlatform/buildpacks, cmd/go/functions_framework.

// TestBuildpackTakesTheSource checks what the buildpack requires of a folder before it
// builds.
func TestBuildpackTakesTheSource(t *testing.T) {
	t.Parallel()
	// It reads every Go file at the root, including tests and whatever their build tags, and
	// expects one package, which it imports.
	files, err := filepath.Glob(awstest.Module("*.go"))
	if err != nil {
		t.Fatal(err)
	}
	registers := false
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "claimcheck" {
			t.Errorf("%s is of package %s; the buildpack refuses a second package", filepath.Base(name), f.Name.Name)
		}
		for _, i := range f.Imports {
			registers = registers || i.Path.Value == `"github.com/GoogleCloudPlatform/functions-framework-go/functions"`
		}
	}
	if !registers {
		t.Error("no file imports the framework's functions: the buildpack would look for a Go function claimcheck.Claimcheck")
	}

	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = awstest.Module(".")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module        struct{ Path string }
		Go, Toolchain string
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(mod.Module.Path, "/"); !strings.Contains(first, ".") {
		t.Errorf("the module's path %s begins without a dot", mod.Module.Path)
	}
	// The builder's Go may be an earlier patch release, and downloads no other.
	if !strings.HasSuffix(mod.Go, ".0") || mod.Toolchain != "" {
		t.Errorf("go.mod asks for go %s, toolchain %q; the first patch of a release is what every builder has", mod.Go, mod.Toolchain)
	}
	if _, err := os.Stat(awstest.Module("vendor")); err == nil {
		t.Error("there is a vendor folder; the buildpack would build from it alone")
	}
}

// TestBuildpackServesJobs serves jobs by the function as Google's platform runs it: on
// its own host, and as https://REGION-PROJECT.cloudfunctions.net/claimcheck, where the
// platform takes the function's name from the path and every URL must contain it.
func TestBuildpackServesJobs(t *testing.T) {
	t.Parallel()
	// The buildpack builds from a main package inside of this module; here an overlay
	// provides it.
	built, err := process.Source{Root: awstest.Module("."), Overlay: map[string]string{
		awstest.Module("functions.local/app/main.go"): awstest.Module("internal/test/deploy/testdata/buildpack/main.go"),
	}}.Build(t.Context(), nil, "functions.local/app")
	if err != nil {
		t.Fatal(err)
	}
	// The platform's variables of a function.
	vars := []string{"FUNCTION_SIGNATURE_TYPE=http", "K_SERVICE=claimcheck", "K_REVISION=claimcheck-00001"}

	t.Run("at a host of its own", func(t *testing.T) {
		t.Parallel()
		env := awstest.Start(t)
		d := service.LaunchFrom(t, built, env, "app", vars...)
		d.AwaitReady(t)
		service.Open(t, env, "worker")
		serveJobs(t, d.URL)
	})
	t.Run("under a path", func(t *testing.T) {
		t.Parallel()
		env := awstest.Start(t)
		platform := httptest.NewUnstartedServer(nil)
		t.Cleanup(platform.Close)
		public := "http://" + platform.Listener.Addr().String() + "/claimcheck"
		d := service.LaunchFrom(t, built, env, "app", slices.Concat(vars, []string{"PUBLIC_URL=" + public})...)
		d.AwaitReady(t)
		function, err := url.Parse(d.URL)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/claimcheck/", http.StripPrefix("/claimcheck", httputil.NewSingleHostReverseProxy(function)))
		platform.Config.Handler = mux
		platform.Start()
		service.Open(t, env, "worker")
		serveJobs(t, public)
	})
}

// serveJobs submits a job at public and uploads another directly. It follows only the
// URLs in the answers, which must all be under public.
func serveJobs(t *testing.T, public string) {
	t.Helper()
	under := func(where, u string) string {
		t.Helper()
		if !strings.HasPrefix(u, public+"/jobs/") {
			t.Fatalf("%s names %q, which is not under %s", where, u, public)
		}
		return u
	}
	result := func(location string) {
		t.Helper()
		end := apptest.Await(t, location)
		if end.StatusCode != http.StatusCreated {
			t.Fatalf("the job ended with %s: %s", end.Status, end.Bytes)
		}
		under("the end's body", end.JSON(t)["location"].(string))
		out := apptest.Get(t, under("the end's Location", end.Header.Get("Location")))
		if out.StatusCode != http.StatusOK || out.Header.Get("Content-Type") != "image/jpeg" || !bytes.HasPrefix(out.Bytes, []byte("\xff\xd8\xff")) {
			t.Errorf("output is %s, %d bytes", out.Status, len(out.Bytes))
		}
	}

	ct, form := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, public+"/jobs", bytes.NewReader(form), "Content-Type", ct)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("the submit's answer is %s: %s", a.Status, a.Bytes)
	}
	under("the submit's body", a.JSON(t)["location"].(string))
	result(under("the submit's Location", a.Header.Get("Location")))

	offer := fmt.Sprintf(`{"content_type": "image/jpeg", "size_bytes": %d}`, len(apptest.Photograph(t)))
	a = apptest.Do(t, http.MethodPost, public+"/jobs", strings.NewReader(offer), "Content-Type", "application/json")
	location := under("the offer's Location", a.Header.Get("Location"))
	early := apptest.Get(t, location+"/output")
	if early.StatusCode != http.StatusNotFound {
		t.Errorf("output before the upload is %s", early.Status)
	}
	under("the early output's Location", early.Header.Get("Location"))
	under("the early output's body", early.JSON(t)["location"].(string))
	upload := a.JSON(t)["upload"].(map[string]any)
	var header []string
	for k, v := range upload["headers"].(map[string]any) {
		header = append(header, k, v.(string))
	}
	put := apptest.Do(t, upload["method"].(string), upload["url"].(string), bytes.NewReader(apptest.Photograph(t)), header...)
	if put.StatusCode != http.StatusOK {
		t.Fatalf("the upload's answer is %s: %s", put.Status, put.Bytes)
	}
	a = apptest.Do(t, http.MethodPost, location+"/commit", nil)
	result(under("the commit's Location", a.Header.Get("Location")))

	for _, path := range []string{"/", "/openapi.yaml", "/health", "/ready"} {
		if a := apptest.Get(t, public+path); a.StatusCode != http.StatusOK {
			t.Errorf("%s is %s", path, a.Status)
		}
	}
}
