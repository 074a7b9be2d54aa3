package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestSubmitOfAURL has the server fetch the image.
func TestSubmitOfAURL(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "OUTBOUND_ALLOW=127.0.0.1")
	s.StartWorker(t)
	image := apptest.Photograph(t)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".jpg") {
			w.Write(image)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(host.Close)
	dir := t.TempDir()
	args := []string{"submit", "--server", s.URL, "--key", "batch", host.URL + "/pictures/rainier.jpg?size=full", "-o", dir, "--force"}
	r := claimcheck(t.Context(), nil, args...)
	kept := filepath.Join(dir, "rainier.jpg")
	if r.code != 0 || r.out != kept+"\n" {
		t.Fatalf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	if b, err := os.ReadFile(kept); err != nil || len(b) < 1000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if r := claimcheck(t.Context(), nil, args...); r.code != 0 || documents(t, s) != 1 {
		t.Errorf("repeated: exit code %d, errors %q, %d jobs", r.code, r.err, documents(t, s))
	}
	r = claimcheck(t.Context(), nil, "submit", "--server", s.URL, host.URL+"/missing")
	if r.code != 1 || !strings.Contains(r.err, "the source cannot be fetched: the server answers 404 Not Found") {
		t.Errorf("exit code %d, errors %q", r.code, r.err)
	}
}
