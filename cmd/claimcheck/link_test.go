package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/client"
)

func TestLink(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "LINK_KEY="+strings.Repeat("k", 32))
	location := s.Submit(t, apptest.Photograph(t)).Header.Get("Location")
	r := claimcheck(t.Context(), nil, "link", "--server", s.URL, location, "--expires-in", "2h", "--download")
	url := strings.TrimSuffix(r.out, "\n")
	if r.code != 0 || !strings.HasPrefix(url, s.URL+"/links/") {
		t.Fatalf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	s.StartWorker(t)
	apptest.Await(t, location)
	if a := apptest.Get(t, url); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the link: %s: %s", a.Status, a.Header)
	}
	r = claimcheck(t.Context(), nil, "link", "--server", s.URL, location[strings.LastIndexByte(location, '/')+1:], "--json")
	var l client.Link
	if err := json.Unmarshal([]byte(r.out), &l); err != nil || time.Until(l.ExpiresAt) > time.Hour || time.Until(l.ExpiresAt) < 30*time.Minute {
		t.Errorf("got %q, %v", r.out, err)
	}
	if a := apptest.Get(t, l.URL); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "inline") {
		t.Errorf("the link: %s: %s", a.Status, a.Header)
	}
	for expiresIn, code := range map[string]int{"1s": exitError, "169h": exitError, "90.5s": exitUsage, "soon": exitUsage} {
		if r := claimcheck(t.Context(), nil, "link", "--server", s.URL, location, "--expires-in", expiresIn); r.code != code || r.out != "" || r.err == "" {
			t.Errorf("--expires-in %s: exit code %d, output %q, errors %q", expiresIn, r.code, r.out, r.err)
		}
	}
}
