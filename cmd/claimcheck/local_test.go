package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/oidclocal"
)

func TestLocalRefusesPorts(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--port", "--s3-port", "--sqs-port", "--login-port"} {
		for _, port := range []string{"0", "65536"} {
			r := claimcheck(t.Context(), nil, "local", flag, port)
			if want := flag + ": " + port + " is not a port"; r.code != exitUsage || !strings.Contains(r.err, want) {
				t.Errorf("%s=%s: exit code %d, error %q, want %q", flag, port, r.code, r.err, want)
			}
		}
	}
}

// TestWelcomeNamesWebhooks checks that the first screen says whether webhooks may call this
// machine: they may, unless the caller's own OUTBOUND_ALLOW says something else.
func TestWelcomeNamesWebhooks(t *testing.T) {
	t.Parallel()
	for allow, want := range map[string]bool{localAllow: true, "": false, "receiver.internal": false} {
		c, err := config.Load(config.Server, []string{"S3_BUCKET=b", "SQS_QUEUE_URL=http://q/q", "ALLOW_ANONYMOUS=true", "OUTBOUND_ALLOW=" + allow})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		localCmd{Port: 8080}.welcome(&b, c, nil, 0)
		if strings.Contains(b.String(), "claimcheck listen") != want {
			t.Errorf("with %q: %s", allow, b.String())
		}
	}
}

// TestLoginHasItsOwnProvider has the environment name another one.
func TestLoginHasItsOwnProvider(t *testing.T) {
	t.Setenv("OIDC_ISSUER", "https://id.example")
	r := claimcheck(t.Context(), nil, "local", "--login")
	if want := "OIDC_ISSUER is set too"; r.code != exitUsage || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d, error %q, want %q", r.code, r.err, want)
	}
}

// TestLoginIgnoresAnotherProvidersClaims has the environment describe the tokens of another
// provider.
func TestLoginIgnoresAnotherProvidersClaims(t *testing.T) {
	t.Parallel()
	login := &oidclocal.Provider{URL: "http://127.0.0.1:9400"}
	tokens := func(environ ...string) string {
		t.Helper()
		environ = append(environ, "S3_BUCKET=b", "SQS_QUEUE_URL=http://q/q")
		c, err := config.Load(config.Server, withLogin(environ, login))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", []any{c.Issuers, c.Audiences, c.AudienceClaim, c.AuthorizedParties, c.ClientID, c.Scopes, c.GroupsClaim, c.AdminGroup})
	}
	want := tokens()
	got := tokens("AUDIENCE_CLAIM=client_id", "OIDC_AUTHORIZED_PARTIES=other", "OIDC_SCOPES=openid email", "GROUPS_CLAIM=roles", "ADMIN_GROUP=root")
	if got != want {
		t.Errorf("the service takes tokens by %s, want %s", got, want)
	}
}

// TestLocalUploaders lists the pages that may upload to the local S3.
func TestLocalUploaders(t *testing.T) {
	t.Parallel()
	l := localCmd{Port: 8080}
	for cors, want := range map[string][]string{
		"": nil, "http://localhost:3000, https://app.example,": {"http://localhost:3000", "https://app.example"}, "*": {"*"},
	} {
		if got := l.uploaders(cors); !slices.Equal(got, append(l.origins(), want...)) {
			t.Errorf("CORS_ORIGINS=%q: %q", cors, got)
		}
	}
}

var alive = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })

// TestPortTaken starts a local service on a port that another program has.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	const another = "another claimcheck local"
	tests := map[string]struct {
		program http.Handler
		with    []string
		without string
	}{
		"by a local service": {
			withData("/home/ann lee/ü/.claimcheck", alive),
			[]string{another, "http://localhost:", " keeps its data in /home/ann lee/ü/.claimcheck;", "--port or PORT"}, "address already in use",
		},
		"by another program":      {alive, []string{"address already in use", "--port or PORT"}, another},
		"by one that sends codes": {withData("/tmp/\x1b[2J", alive), []string{"address already in use"}, another},
		"by one without a folder": {withData("", alive), []string{"address already in use"}, another},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(tt.program)
			t.Cleanup(s.Close)
			u, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			r := claimcheck(t.Context(), nil, "local", "--port", u.Port())
			if r.code != exitError {
				t.Errorf("exit code %d, want %d", r.code, exitError)
			}
			for _, want := range tt.with {
				if !strings.Contains(r.err, want) {
					t.Errorf("%q is not in the error %q", want, r.err)
				}
			}
			if strings.Contains(r.err, tt.without) {
				t.Errorf("%q is in the error %q", tt.without, r.err)
			}
		})
	}
}

// TestDataFolderStaysOnThisMachine asks a local service for its data folder as a program
// of this machine does, and as others could.
func TestDataFolderStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"a program of this machine":      {func(*http.Request) {}, "%2Fdata"},
		"over IPv6":                      {func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5", "[::1]:8080" }, "%2Fdata"},
		"a caller that does not ask":     {func(r *http.Request) { r.Header.Del(dataHeader) }, ""},
		"another path":                   {func(r *http.Request) { r.URL.Path = "/ready" }, ""},
		"another machine":                {func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5" }, ""},
		"a page whose name is rebound":   {func(r *http.Request) { r.Host = "rebound.example:8080" }, ""},
		"a page of another origin":       {func(r *http.Request) { r.Header.Set("Origin", "https://page.example") }, ""},
		"a proxy":                        {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }, ""},
		"a proxy of the standard header": {func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.7") }, ""},
		"a tunnel":                       {func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "tunnel.example") }, ""},
		"a cache":                        {func(r *http.Request) { r.Header.Set("Via", "1.1 cache") }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080/health", nil)
			r.RemoteAddr = "127.0.0.1:5"
			r.Header.Set(dataHeader, "?")
			tt.change(r)
			w := httptest.NewRecorder()
			withData("/data", alive).ServeHTTP(w, r)
			if got := w.Header().Get(dataHeader); got != tt.want {
				t.Errorf("the answer has %q, want %q", got, tt.want)
			}
		})
	}
}
