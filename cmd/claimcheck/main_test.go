package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/cost"
)

// result is how a command ended.
type result struct {
	code     int
	out, err string
}

// claimcheck runs a command line to its end, with this on standard input.
func claimcheck(ctx context.Context, stdin []byte, args ...string) result {
	var out, err bytes.Buffer
	code := run(ctx, args, streams{bytes.NewReader(stdin), &out, &err})
	return result{code, out.String(), err.String()}
}

// TestCostByOtherPrices takes the prices that are built in, doubles one, and calculates with
// them.
func TestCostByOtherPrices(t *testing.T) {
	t.Parallel()
	writes := func(args ...string) float64 {
		t.Helper()
		r := claimcheck(t.Context(), nil, append([]string{"cost", "--format", "json"}, args...)...)
		var b cost.Bill
		if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.code != 0 {
			t.Fatalf("exit code %d, %v: %s", r.code, err, r.err)
		}
		return b.Lines[0].Amount
	}
	r := claimcheck(t.Context(), nil, "cost", "--print-prices")
	file := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(file, []byte(strings.Replace(r.out, "0.005", "0.01", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if built, given := writes(), writes("--prices", file); built != 35 || given != 70 {
		t.Errorf("writes cost %v, and %v when they cost twice as much", built, given)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	source := awstest.Path("main.go")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args     []string
		want     int
		out, err string // what is in there
	}{
		"nothing":           {nil, 0, "Usage: claimcheck", ""},
		"help":              {[]string{"--help"}, 0, "Exit codes:", ""},
		"help of a command": {[]string{"submit", "--help"}, 0, "standard input", ""},
		"unknown command":   {[]string{"sumbit"}, 2, "", "sumbit"},
		"unknown flag":      {[]string{"submit", "--wiat", "x"}, 2, "", "--wiat"},
		"no file":           {[]string{"submit"}, 2, "", "<file>"},
		"no such file":      {[]string{"submit", "nothing.jpg"}, 1, "", "nothing.jpg: no such file"},
		"a folder":          {[]string{"submit", "."}, 1, "", "it is a folder"},
		"two inputs":        {[]string{"submit", "-", source, "-"}, 2, "", "standard input is one image"},
		"params of null":    {[]string{"submit", "--params", "null", "--param", "width=8", source}, 2, "", "--params is null"},
		"to nowhere":        {[]string{"submit", "-o", "-", source}, 2, "", "--output must be a folder"},
		"into a file":       {[]string{"submit", "-o", source, source}, 1, "", "--output: "},
		"no job":            {[]string{"status", "http://localhost:8080/health"}, 1, "", "is not a job of"},
		"no image":          {[]string{"submit", source}, 1, "", "main.go: its content is not an image"},
		"a pipe":            {[]string{"submit", pipe}, 1, "", "not a file"},
		"nothing at once":   {[]string{"submit", "--jobs", "0", source}, 2, "", "--jobs must be at least 1; see claimcheck submit --help"},
		"params, malformed": {[]string{"submit", "--params", "{", source}, 2, "", "not a JSON object"},
		"no URL":            {[]string{"status", "--server", "localhost:8080", "x"}, 2, "", "not a server's URL"},
		"no format":         {[]string{"usage", "--format", "pdf"}, 2, "", "table"},
		"no day":            {[]string{"usage", "--from", "monday"}, 2, "", "--from is not a day"},
		"the wrong order":   {[]string{"usage", "--all", "--from", "2026-02-02", "--to", "2026-02-01"}, 2, "", "later"},
		"all and one":       {[]string{"usage", "--all", "--owner", "x"}, 2, "", "exclude each other"},
		"no port":           {[]string{"local", "--s3-port", "0"}, 2, "", "--s3-port: 0 is not a port"},
		"no time":           {[]string{"redrive", "--bucket", "b", "--queue", "q", "--failed", "--since", "monday"}, 2, "", "--since is not a day"},
		"no time of a list": {[]string{"list", "--since", "monday"}, 2, "", "--since is not a day"},
		"no status":         {[]string{"list", "--status", "failed,done"}, 2, "", "done"},
		"no number of jobs": {[]string{"list", "--limit", "0"}, 2, "", "--limit is not a number"},
		"cost":              {[]string{"cost", "--jobs", "2e3", "--size", "1.5MiB", "--output-size=500kB"}, 0, "A month of 2,000 jobs: images of 1.57 MB, outputs of 500 kB", ""},
		"no size":           {[]string{"cost", "--size", "big"}, 2, "", `"big" is not a size such as`},
		"less than nothing": {[]string{"cost", "--polls=-1"}, 2, "", "less than zero"},
		"no number":         {[]string{"cost", "--jobs", "nan"}, 2, "", "no number"},
		"without end":       {[]string{"cost", "--outputs", "inf"}, 2, "", "more than 1e12"},
		"no prices":         {[]string{"cost", "--prices", source}, 1, "", "main.go: the prices cannot be read"},
		"completion":        {[]string{"completion", "bash"}, 0, "source <(", ""},
		"version":           {[]string{"version"}, 0, "claimcheck ", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := claimcheck(t.Context(), nil, tt.args...)
			if r.code != tt.want || !strings.Contains(r.out, tt.out) || !strings.Contains(r.err, tt.err) {
				t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
			}
		})
	}
}

// TestAuthHeader signs in to a service that wants its tokens in a header of its own, and
// says so to who sends them in the usual one.
func TestAuthHeader(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "AUTH_HEADER=X-Jobs-Token")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(p.Token("alice")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"submit", "--server", s.URL, "--token-file", token, photo(t)}
	if r := claimcheck(t.Context(), nil, args...); r.code != 1 || !strings.Contains(r.err, "in the header X-Jobs-Token") || !strings.Contains(r.err, "--auth-header") {
		t.Errorf("in the usual header: exit code %d, %s", r.code, r.err)
	}
	if r := claimcheck(t.Context(), nil, append(args, "--auth-header", "X-Jobs-Token")...); r.code != 0 {
		t.Errorf("in its own: exit code %d, %s", r.code, r.err)
	}
}
