package oidclocal_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
	"claimcheck.example/internal/oidclocal"
)

// page is the origin of the page; nothing answers there.
const page = "http://localhost:1"

// start serves a provider until the test ends.
func start(t *testing.T) *oidclocal.Provider {
	t.Helper()
	p, err := oidclocal.Listen(t.Context(), "127.0.0.1:0", []string{page})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// browser follows no redirect.
var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// ask sends a request, with a form if it has values, and returns the answer and its body.
func ask(t *testing.T, address string, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// begin begins a sign-in, and returns the address of the provider's own page.
func begin(t *testing.T, p *oidclocal.Provider, redirect, verifier string) string {
	t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {oidclocal.Client}, "redirect_uri": {redirect}, "scope": {oidclocal.Scopes}, "state": {"s"},
	}
	if verifier != "" {
		sum := sha256.Sum256([]byte(verifier))
		query.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		query.Set("code_challenge_method", "S256")
	}
	resp, _ := ask(t, p.URL+"/authorize?"+query.Encode(), nil)
	if login := resp.Header.Get("Location"); strings.HasPrefix(login, "/login?id=") {
		return p.URL + login
	}
	return ""
}

// signIn signs a user in, and returns the code that the page gets.
func signIn(t *testing.T, p *oidclocal.Provider, user, verifier string) (code string) {
	t.Helper()
	login := begin(t, p, page+"/", verifier)
	if _, html := ask(t, login, nil); !strings.Contains(html, `value="`+user+`"`) {
		t.Fatalf("the provider's page does not offer %s: %s", user, html)
	}
	id := strings.TrimPrefix(login, p.URL+"/login?id=")
	resp, _ := ask(t, p.URL+"/login", url.Values{"id": {id}, "user": {user}}, "Sec-Fetch-Site", "same-origin")
	resp, _ = ask(t, resp.Header.Get("Location"), nil)
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Scheme+"://"+back.Host != page || back.Query().Get("state") != "s" {
		t.Fatalf("the way back is %q", resp.Header.Get("Location"))
	}
	return back.Query().Get("code")
}

// tokens are those of an answer.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func redeem(t *testing.T, p *oidclocal.Provider, form url.Values) (got tokens) {
	t.Helper()
	form.Set("client_id", oidclocal.Client)
	resp, body := ask(t, p.URL+"/oauth/token", form, "Origin", page, "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != page {
			t.Errorf("the page may not read the tokens: the allowed origin is %q", allowed)
		}
	}
	return got
}

// TestSignIn has the service accept what each user gets by the page's flow, by its refresh
// and ready made.
func TestSignIn(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, err := oidcauthn.New(oidcauthn.Options{Issuers: []string{p.URL}, Audiences: []string{oidclocal.Client}})
	if err != nil {
		t.Fatal(err)
	}
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	for _, u := range oidclocal.Users {
		back := url.Values{"grant_type": {"authorization_code"}, "code": {signIn(t, p, u.Name, verifier)}, "redirect_uri": {page + "/"}, "code_verifier": {verifier}}
		first := redeem(t, p, back)
		again := redeem(t, p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}})
		ready, err := p.Token(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		for how, token := range map[string]string{"by a code": first.Access, "by a refresh token": again.Access, "ready made": ready} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			got, err := a.Authenticate(req)
			if err != nil {
				t.Fatalf("%s, %s: %v", u.Name, how, err)
			}
			want := job.Principal{Issuer: p.URL, Subject: u.Name, Groups: u.Groups}
			if diff := cmp.Diff(want, got, cmp.Transformer("none", func(g []string) []string { return append([]string{}, g...) })); diff != "" {
				t.Errorf("%s, %s: principal (-want +got):\n%s", u.Name, how, diff)
			}
		}
	}
}

// TestStrangers tries what another page, or a program without the verifier, could.
func TestStrangers(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, other := range []string{"http://stranger.example/", "http://localhost:2/", "http://localhost/", page + "/other"} {
		if login := begin(t, p, other, "x"); login != "" {
			t.Errorf("another page, %s, may get the code: %s", other, login)
		}
	}
	unknown := url.Values{"response_type": {"code"}, "client_id": {"stranger"}, "redirect_uri": {page + "/"}, "scope": {oidclocal.Scopes}}
	if resp, _ := ask(t, p.URL+"/authorize?"+unknown.Encode(), nil); resp.Header.Get("Location") != "" {
		t.Errorf("an unknown client may begin: %s", resp.Header.Get("Location"))
	}
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	stolen := url.Values{"grant_type": {"authorization_code"}, "code": {signIn(t, p, "ada", verifier)}, "redirect_uri": {page + "/"}}
	if got := redeem(t, p, stolen); got.Access != "" {
		t.Error("a code without its verifier is redeemed")
	}
	login := begin(t, p, page+"/", verifier)
	id := strings.TrimPrefix(login, p.URL+"/login?id=")
	tests := []struct {
		name, path string
		form       url.Values
		header     []string
		status     int
	}{
		{"a name that resolves to this machine", "/.well-known/openid-configuration", nil, []string{"Host", "stranger.example"}, http.StatusMisdirectedRequest},
		{"another page's form", "/login", url.Values{"id": {id}, "user": {"admin"}}, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"no such user", "/login", url.Values{"id": {id}, "user": {"eve"}}, nil, http.StatusForbidden},
		{"a sign-in that was never begun", "/login?id=1", nil, nil, http.StatusBadRequest},
	}
	for _, tt := range tests {
		if resp, body := ask(t, p.URL+tt.path, tt.form, tt.header...); resp.StatusCode != tt.status {
			t.Errorf("%s: %s: %s", tt.name, resp.Status, body)
		}
	}
	resp, _ := ask(t, p.URL+"/.well-known/openid-configuration", nil, "Origin", "http://stranger.example")
	if allowed := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != http.StatusOK || allowed != "" {
		t.Errorf("another origin may read the provider's answers: %s, %q", resp.Status, allowed)
	}
}
