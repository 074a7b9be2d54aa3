package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestHostThatNoURLCanBeginWith sends Host headers that no job's URL could begin with.
func TestHostThatNoURLCanBeginWith(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	ct, body := apptest.Form(t, []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"))
	hosts := []string{"[::1", "][", "a:b:c", "::1", "[a]", "[::1]x", "a:65536", "a:x", ":80", "user@a", "a%41", "[127.0.0.1]", "a?b", "a/b", "a#b"}
	for _, host := range append(hosts, "") {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /jobs HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", host, ct, len(body), body)
		a, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", host, err)
		}
		a.Body.Close()
		conn.Close()
		if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Errorf("%q: %s with Location %q", host, a.Status, a.Header.Get("Location"))
		}
	}
	wantNothing(t, s)
}

// TestAnonymousServerIsClosedToOtherPages sends what a browser sends for pages: a form that
// another site's page posts is refused where no token is asked for.
func TestAnonymousServerIsClosedToOtherPages(t *testing.T) {
	t.Parallel()
	provider := apptest.StartProvider(t)
	tests := []struct {
		name   string
		vars   []string
		header []string
		refuse bool
	}{
		{"no browser", nil, nil, false},
		{"the page", nil, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://jobs.example"}, false},
		{"another site", nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		{"another port", nil, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000"}, true},
		{"a sandboxed page", nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, true},
		{"an old browser", nil, []string{"Origin", "https://evil.example"}, true},
		{"an origin of CORS_ORIGINS", []string{"CORS_ORIGINS=https://app.example"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, false},
		{"another than CORS_ORIGINS'", []string{"CORS_ORIGINS=https://app.example"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		{"everyone", []string{"CORS_ORIGINS=*"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"PUBLIC_URL behind a proxy", []string{"PUBLIC_URL=https://jobs.example/api"}, []string{"Origin", "https://jobs.example"}, false},
		{"a server that asks for tokens", []string{"OIDC_ISSUER=" + provider.URL, "OIDC_AUDIENCE=claimcheck"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, tt.vars...)
			ct, body := apptest.Form(t, apptest.Photograph(t))
			a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), append([]string{"Content-Type", ct}, tt.header...)...)
			if refused := a.StatusCode == http.StatusForbidden; refused != tt.refuse {
				t.Errorf("%s: %s", a.Status, a.Bytes)
			}
			if tt.refuse {
				if got := a.Header.Get("Content-Type"); got != "application/problem+json" || !strings.Contains(string(a.Bytes), "CORS_ORIGINS") {
					t.Errorf("%s: %s", got, a.Bytes)
				}
				wantNothing(t, s)
				if a := apptest.Do(t, http.MethodGet, s.URL+"/", nil, tt.header...); a.StatusCode != http.StatusOK {
					t.Errorf("a link to the page: %s", a.Status)
				}
			}
		})
	}
}
