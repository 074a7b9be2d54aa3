package oidcauthn_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// answer returns a response with this body and status 200.
func answer(body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// TestBadProviders checks that a wrong or hostile answer of a provider makes its tokens
// Unavailable, lets no request in, and is logged.
func TestBadProviders(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example"
	discovery := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/keys")
	k := rsaKey(0, "k")
	keys := string(mustJSON(t, map[string]any{"keys": []any{k.public()}}))

	tests := []struct {
		name, discovery, keys string
		redirect              string
		want                  string
		ok                    bool
	}{
		{name: "good", discovery: discovery, keys: keys, ok: true},
		{name: "document of another issuer", discovery: strings.Replace(discovery, issuer, "https://else.example", 1), want: `that of "https://else.example"`},
		{name: "document of the issuer with a slash", discovery: strings.Replace(discovery, issuer, issuer+"/", 1), want: `that of "https://idp.example/"`},
		{name: "document without an issuer", discovery: `{"jwks_uri":"https://idp.example/keys"}`, want: `that of ""`},
		{name: "no document", discovery: "<html>", want: "invalid character"},
		{name: "document too long", discovery: discovery + strings.Repeat(" ", 1<<20), want: "more than 1048576 bytes"},
		{name: "keys nowhere", discovery: `{"issuer":"https://idp.example"}`, want: "jwks_uri"},
		{name: "keys over http", discovery: `{"issuer":"https://idp.example","jwks_uri":"http://idp.example/keys"}`, want: "does not begin with https://"},
		{name: "keys on loopback", discovery: `{"issuer":"https://idp.example","jwks_uri":"http://127.0.0.1:6379/"}`, want: "does not begin with https://"},
		{name: "keys in a file", discovery: `{"issuer":"https://idp.example","jwks_uri":"file:///etc/passwd"}`, want: "jwks_uri"},
		{name: "no keys", discovery: discovery, keys: `{"keys":[]}`, want: "none of its keys"},
		{name: "keys null", discovery: discovery, keys: `null`, want: "none of its keys"},
		{name: "keys too long", discovery: discovery, keys: keys + strings.Repeat(" ", 1<<20), want: "more than 1048576 bytes"},
		{name: "too many keys", discovery: discovery, keys: `{"keys":[` + strings.Repeat(`{},`, 50) + `{}]}`, want: "it has 51, more than 50"},
		{name: "redirect to http", discovery: discovery, redirect: "http://idp.example/keys", want: "does not begin with https://"},
		{name: "redirect to loopback", discovery: discovery, redirect: "http://localhost/keys", want: "does not begin with https://"},
		{name: "redirect forever", discovery: discovery, redirect: issuer + "/keys", want: "more than 3 redirects"},
		{name: "short key", discovery: discovery, keys: `{"keys":[{"kty":"RSA","kid":"k","n":"` + strings.Repeat("_", 171) + `","e":"AQAB"}]}`, want: "none of its keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, logged := debugLog()
			client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				switch {
				case r.URL.Path == "/.well-known/openid-configuration":
					return answer(tt.discovery), nil
				case tt.redirect != "":
					resp := answer("")
					resp.StatusCode = http.StatusFound
					resp.Header.Set("Location", tt.redirect)
					return resp, nil
				default:
					return answer(tt.keys), nil
				}
			})}
			a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{issuer}, HTTPClient: client, Logger: log})
			c := map[string]any{"iss": issuer, "sub": "ann", "aud": audience, "exp": now.Add(time.Minute).Unix()}
			_, err := a.Authenticate(withToken(t, k.sign(t, c, nil)))
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if job.KindOf(err) != job.Unavailable {
				t.Errorf("kind = %v, want unavailable: %v", job.KindOf(err), err)
			}
			if !strings.Contains(logged.String(), tt.want) && !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("neither log nor error says %q:\n%s%v", tt.want, logged, err)
			}
		})
	}
}

// The slash at an issuer's end is part of its name; the discovery URL does not double it.
func TestIssuerWithSlash(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example/tenant/"
	k := rsaKey(0, "k")
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/tenant/.well-known/openid-configuration" {
			return answer(fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://idp.example/keys"}`, issuer)), nil
		}
		return answer(string(mustJSON(t, map[string]any{"keys": []any{k.public()}}))), nil
	})}
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{issuer}, HTTPClient: client})
	c := map[string]any{"iss": issuer, "sub": "ann", "aud": audience, "exp": now.Add(time.Minute).Unix()}
	if _, err := a.Authenticate(withToken(t, k.sign(t, c, nil))); err != nil {
		t.Error(err)
	}
}

// A provider that never answers is abandoned after seconds, whatever the client's own
// timeout.
func TestSilentProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		const issuer = "https://idp.example"
		a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{issuer}, HTTPClient: client, Clock: time.Now})
		k := rsaKey(0, "k")
		begin := time.Now()
		c := map[string]any{"iss": issuer, "sub": "ann", "aud": audience, "exp": begin.Add(time.Minute).Unix()}
		_, err := a.Authenticate(withToken(t, k.sign(t, c, nil)))
		if job.KindOf(err) != job.Unavailable {
			t.Errorf("error = %v, want unavailable", err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("took %v, want 5s", took)
		}
	})
}
