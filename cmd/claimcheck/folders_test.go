package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestSubmitFolders submits folders twice, with the results in one of them: the images of all
// levels are submitted, and what is none, hidden or a result is not.
func TestSubmitFolders(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	image, err := os.ReadFile(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, content []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.jpg", "deep/er/a.jpg", "deep/er/A.jpeg", ".hidden.jpg", ".git/b.jpg"} {
		put(name, image)
	}
	put("notes.txt", []byte("no image"))
	put("deep/empty.jpg", nil)
	results := filepath.Join(dir, "results")
	for range 2 {
		r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, "-r", dir, "-o", results, "--force", "--param", "width=20")
		if r.code != 0 || r.err != "claimcheck: 2 other files in the folders are not images, and are left out\n" || strings.Count(r.out, "\n") != 3 {
			t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
		}
	}
	var kept []string
	if err := filepath.WalkDir(results, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			kept = append(kept, strings.TrimPrefix(path, results+"/"))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(kept)
	// The walk is in lexical order: A.jpeg comes before a.jpg.
	if want := []string{"a.jpg", "deep/er/A.jpg", "deep/er/a-2.jpg"}; !slices.Equal(kept, want) {
		t.Errorf("the results are %q, want %q", kept, want)
	}

	r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, dir)
	if r.code != 1 || !strings.Contains(r.err, "it is a folder") || !strings.Contains(r.err, "--recursive") {
		t.Errorf("without -r: exit code %d, %q", r.code, r.err)
	}
	r = claimcheck(t.Context(), nil, "submit", "--server", s.URL, "-r", t.TempDir())
	if r.code != 1 || !strings.Contains(r.err, "there is no image in this folder") {
		t.Errorf("an empty folder: exit code %d, %q", r.code, r.err)
	}
}

// TestNamesBesideURLs tells apart the URLs of several images, and prints that of one alone.
func TestNamesBesideURLs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	one, two := photo(t), photo(t)
	for _, wait := range []string{"--no-wait", "--wait"} {
		args := []string{"submit", "--server", s.URL, "--param", "width=20"}
		if wait == "--wait" {
			args = append(args, wait)
		}
		args = append(args, one)
		alone := claimcheck(t.Context(), nil, args...)
		if alone.code != 0 || strings.Contains(alone.out, "\t") || !strings.HasPrefix(alone.out, s.URL) {
			t.Errorf("%s, one: exit code %d, %q, %q", wait, alone.code, alone.out, alone.err)
		}
		both := claimcheck(t.Context(), nil, slices.Insert(args, len(args)-1, two)...)
		named := map[string]bool{}
		for line := range strings.Lines(both.out) {
			url, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			named[name] = strings.HasPrefix(url, s.URL+"/jobs/")
		}
		if both.code != 0 || fmt.Sprint(named) != fmt.Sprint(map[string]bool{one: true, two: true}) {
			t.Errorf("%s, two: exit code %d, %q, %q", wait, both.code, both.out, both.err)
		}
	}
}
