package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestInterruptedBatch interrupts a batch: it says how many images were not begun, and the
// command that it names submits these alone.
func TestInterruptedBatch(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	front := between(t, s.URL, func(p *httputil.ReverseProxy) {
		p.ModifyResponse = func(*http.Response) error { cancel(); return nil } // the first job is made
	})
	args := []string{"submit", "-j", "1", "--key", "monday"}
	for range 4 {
		args = append(args, photo(t))
	}
	last, err := os.OpenFile(args[len(args)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = last.Write([]byte{0}) // another image than the first three
	if err := errors.Join(err, last.Close()); err != nil {
		t.Fatal(err)
	}
	r := claimcheck(ctx, nil, append(args, "--server", front)...)
	if r.code != 130 || !strings.Contains(r.err, "claimcheck: 3 of 4 images were not begun; repeat the command with --key monday to submit them without a second job for any image\n") {
		t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	if r := claimcheck(t.Context(), nil, append(args, "--server", s.URL)...); r.code != 0 || strings.Count(r.out, "\n") != 4 {
		t.Errorf("the repeat: exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	if n := documents(t, s); n != 2 { // three of the images are the same
		t.Errorf("%d jobs were made of two images", n)
	}
	for _, tt := range []struct {
		c    submitCmd
		want string
	}{
		{submitCmd{}, "a batch with a name, by --key, can be repeated"},
		{submitCmd{Key: "k", Output: "dir"}, "with --key k and --force"},
		{submitCmd{Key: "k", Output: "dir", Force: true}, "with --key k to submit"},
	} {
		if got := tt.c.howToResume(); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.c, got, tt.want)
		}
	}
}

// TestBatchWithoutAServer has no server: the command says so once, before it reads standard
// input, and begins no further image.
func TestBatchWithoutAServer(t *testing.T) {
	t.Parallel()
	const server = "http://127.0.0.1:1"
	args := []string{"submit", "--server", server}
	for range 20 {
		args = append(args, photo(t))
	}
	r := claimcheck(t.Context(), nil, args...)
	if r.code != 1 || strings.Count(r.err, "does not answer") != 1 || !strings.Contains(r.err, "of 20 images were not begun") || !strings.Contains(r.err, "--server") || r.out != "" {
		t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	in, keyboard := io.Pipe() // never written
	defer keyboard.Close()
	var errs strings.Builder
	if code := run(t.Context(), []string{"submit", "--server", server, "-"}, streams{in, io.Discard, &errs}); code != 1 || !strings.Contains(errs.String(), "does not answer") {
		t.Errorf("standard input: exit code %d, errors %q", code, errs.String())
	}
}

// TestServerBeforeTheCommand names it on either side.
func TestServerBeforeTheCommand(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	for _, args := range [][]string{
		{"--server", s.URL, "list", "--limit", "3"}, {"--server=" + s.URL, "--auth-header", "Authorization", "list"}, {"list", "--server", s.URL},
	} {
		if r := claimcheck(t.Context(), nil, args...); r.code != 0 {
			t.Errorf("%q: exit code %d, %s", args, r.code, r.err)
		}
	}
	for _, args := range [][]string{{"--server"}, {"--server", s.URL}, {"--server", s.URL, "version"}, {"--server", s.URL, "--limit", "3", "list"}} {
		if r := claimcheck(t.Context(), nil, args...); r.code != exitUsage {
			t.Errorf("%q: exit code %d, output %q, errors %q", args, r.code, r.out, r.err)
		}
	}
}
