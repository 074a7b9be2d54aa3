package oidcauthn_test

import (
	"crypto/elliptic"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

func TestGoodTokens(t *testing.T) {
	t.Parallel()
	rs := rsaKey(0, "rs")
	ps := signingKey{"ps", jose.PS512, rsaKeys()[1]}
	es := ecKey(t, "es", jose.ES256, elliptic.P256())
	es3 := ecKey(t, "es3", jose.ES384, elliptic.P384())
	ed := edKey(t, "ed")
	p := newIDP(t, rs, ps, es, es3, ed)
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, Audiences: []string{"else", audience}})
	plain := job.Principal{Issuer: p.URL, Subject: "ann"}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }

	tests := []struct {
		name   string
		key    signingKey
		claims map[string]any
		header map[string]any
		scheme string
		want   job.Principal
	}{
		{name: "RS256", key: rs, want: plain},
		{name: "PS512", key: ps, want: plain},
		{name: "ES256", key: es, want: plain},
		{name: "ES384", key: es3, want: plain},
		{name: "EdDSA", key: ed, want: plain},
		{name: "type of an access token", key: rs, header: map[string]any{"typ": "at+jwt"}, want: plain},
		{name: "type written in full", key: rs, header: map[string]any{"typ": "application/AT+JWT"}, want: plain},
		{name: "no type", key: rs, header: map[string]any{"typ": nil}, want: plain},
		{name: "no key name", key: es, header: map[string]any{"kid": nil}, want: plain},
		{name: "audience in a list", key: rs, claims: map[string]any{"aud": []string{"x", audience}}, want: plain},
		{name: "the other audience", key: rs, claims: map[string]any{"aud": "else"}, want: plain},
		{name: "no times but expiry", key: rs, claims: map[string]any{"iat": nil, "nbf": nil}, want: plain},
		{name: "expired within the leeway", key: rs, claims: map[string]any{"exp": at(-59 * time.Second)}, want: plain},
		{name: "not yet valid within the leeway", key: rs, claims: map[string]any{"nbf": at(59 * time.Second)}, want: plain},
		{name: "issued ahead within the leeway", key: rs, claims: map[string]any{"iat": at(59 * time.Second)}, want: plain},
		{name: "subject of 255 bytes", key: rs, claims: map[string]any{"sub": strings.Repeat("a", 255)}, want: job.Principal{Issuer: p.URL, Subject: strings.Repeat("a", 255)}},
		{name: "scheme in lower case", key: rs, scheme: "bearer ", want: plain},
		{name: "scheme in upper case, more spaces", key: rs, scheme: "BEARER   ", want: plain},
		{
			name: "groups and verified e-mail", key: rs,
			claims: map[string]any{"groups": []string{"staff", "ops"}, "email": "ann@example.org", "email_verified": true},
			want:   job.Principal{Issuer: p.URL, Subject: "ann", Groups: []string{"staff", "ops"}, Email: "ann@example.org", EmailVerified: true},
		},
		{
			name: "one group, e-mail verified in words", key: rs,
			claims: map[string]any{"groups": "staff", "email": "ann@example.org", "email_verified": "true"},
			want:   job.Principal{Issuer: p.URL, Subject: "ann", Groups: []string{"staff"}, Email: "ann@example.org", EmailVerified: true},
		},
		{
			name: "e-mail not verified", key: rs,
			claims: map[string]any{"email": "ann@example.org", "email_verified": "false"},
			want:   job.Principal{Issuer: p.URL, Subject: "ann", Email: "ann@example.org"},
		},
		{
			name: "e-mail verified by a number", key: rs,
			claims: map[string]any{"email": "ann@example.org", "email_verified": 1},
			want:   job.Principal{Issuer: p.URL, Subject: "ann", Email: "ann@example.org"},
		},
		{name: "groups null", key: rs, claims: map[string]any{"groups": new([]string)}, want: plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := tt.key.sign(t, p.claims(tt.claims), tt.header)
			r := withToken(t, token)
			if tt.scheme != "" {
				r.Header.Set("Authorization", tt.scheme+token)
			}
			got, err := a.Authenticate(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupsClaim(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	p := newIDP(t, k)
	type object = map[string]any
	ops := []string{"ops"}
	tests := []struct {
		name, claim string
		claims      object
		want        []string
		refused     bool
	}{
		{"a URL", "https://example.org/roles", object{"https://example.org/roles": ops, "groups": []string{"no"}}, ops, false},
		{"a path", "realm_access.roles", object{"realm_access": object{"roles": ops}, "roles": []string{"no"}}, ops, false},
		{"a longer path", "resource_access.jobs.roles", object{"resource_access": object{"jobs": object{"roles": ops}}}, ops, false},
		{"a name with a dot before a path", "a.b", object{"a.b": ops, "a": object{"b": []string{"no"}}}, ops, false},
		{"a name with a dot at the end of a path", "a.b.c", object{"a": object{"b.c": ops}}, ops, false},
		{"one group at the end of a path", "a.b", object{"a": object{"b": "ops"}}, ops, false},
		{"a path without its end", "realm_access.roles", object{"realm_access": object{}}, nil, false},
		{"a path without its beginning", "realm_access.roles", nil, nil, false},
		{"a path through null", "realm_access.roles", object{"realm_access": new(object)}, nil, false},
		{"a path through a list", "realm_access.roles", object{"realm_access": ops}, nil, true},
		{"a path through text", "realm_access.roles", object{"realm_access": "roles"}, nil, true},
		{"a path to an object", "realm_access.roles", object{"realm_access": object{"roles": object{"ops": true}}}, nil, true},
		{"another case", "Realm_access.roles", object{"realm_access": object{"roles": ops}}, nil, false},
	}
	for _, tt := range tests {
		a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, GroupsClaim: tt.claim})
		got, err := a.Authenticate(withToken(t, k.sign(t, p.claims(tt.claims), nil)))
		if tt.refused != (job.KindOf(err) == job.Unauthenticated) || !tt.refused && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got.Groups); diff != "" {
			t.Errorf("%s: groups (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestOtherHeaders(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	p := newIDP(t, k)
	token := k.sign(t, p.claims(nil), nil)
	tests := []struct {
		name, option, sent, value string
		ok                        bool
	}{
		{"serverless", "X-Serverless-Authorization", "X-Serverless-Authorization", "Bearer " + token, true},
		{"serverless, scheme in lower case", "X-Serverless-Authorization", "X-Serverless-Authorization", "bearer " + token, true},
		{"IAP, bare", "X-Goog-IAP-JWT-Assertion", "X-Goog-Iap-Jwt-Assertion", token, true},
		{"option in lower case", "x-goog-iap-jwt-assertion", "X-Goog-Iap-Jwt-Assertion", token, true},
		{"another scheme", "X-Token", "X-Token", "Basic " + token, false},
		{"Authorization does not count then", "X-Token", "Authorization", "Bearer " + token, false},
		{"nor does another header by default", "", "X-Token", "Bearer " + token, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, Header: tt.option})
			r := withToken(t, "")
			r.Header = http.Header{tt.sent: {tt.value}}
			_, err := a.Authenticate(r)
			if tt.ok != (err == nil) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	p := newIDP(t, k)
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}})
	refusal := func(token string) error {
		t.Helper()
		r := withToken(t, token)
		if token == "" {
			r.Header.Del("Authorization")
		}
		_, err := a.Authenticate(r)
		if err == nil {
			t.Fatal("let in")
		}
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"no token", refusal(""), `Bearer realm="claimcheck"`},
		{
			"expired", refusal(k.sign(t, p.claims(map[string]any{"exp": 1}), nil)),
			`Bearer realm="claimcheck", error="invalid_token", error_description="the bearer token has expired: get a new one from the identity provider"`,
		},
		{
			"bad", refusal("x.y.z"),
			`Bearer realm="claimcheck", error="invalid_token", error_description="the bearer token is not valid here: get one for this service from its identity provider"`,
		},
		{"unavailable", job.Errorf(job.Unavailable, "later"), ""},
		{"no error of ours", http.ErrBodyNotAllowed, ""},
		{
			"characters that may not be quoted", job.Errorf(job.Unauthenticated, "a \"b\" \\ ü\r\nX-Evil: 1"),
			`Bearer realm="claimcheck", error="invalid_token", error_description="a 'b' ' '''X-Evil: 1"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := a.Challenge(tt.err); got != tt.want {
				t.Errorf("challenge = %s\nwant        %s", got, tt.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const good = "https://idp.example"
	tests := []struct {
		name string
		o    oidcauthn.Options
		want []string
	}{
		{"nothing", oidcauthn.Options{}, []string{"issuer of accepted tokens is missing", "audience of accepted tokens is missing"}},
		{"http", oidcauthn.Options{Issuers: []string{"http://idp.example"}}, []string{`issuer "http://idp.example"`, "https://"}},
		{"no URL", oidcauthn.Options{Issuers: []string{"idp.example", "https://", "https://u:p@idp.example", "ftp://idp.example", "http://[::1"}}, []string{
			`"idp.example": it is not an absolute URL`, `"https://": it is not an absolute URL`, `"https://u:p@idp.example"`, `"ftp://idp.example"`, `"http://[::1": it is not a URL`,
		}},
		{"bars", oidcauthn.Options{Issuers: []string{good + "/|x", good + "?x"}}, []string{good + `/|x": it has one of`, good + `?x": it has one of`}},
		{"empty audience", oidcauthn.Options{Issuers: []string{good}, Audiences: []string{""}}, []string{"audience is empty"}},
		{"header", oidcauthn.Options{Issuers: []string{good}, Header: "X-Token:"}, []string{`"X-Token:" is not a header name`}},
		{"leeway", oidcauthn.Options{Issuers: []string{good}, Leeway: time.Hour}, []string{"leeway of 1h"}},
		{"negative leeway", oidcauthn.Options{Issuers: []string{good}, Leeway: -time.Second}, []string{"leeway of -1s"}},
		{"retention", oidcauthn.Options{Issuers: []string{good}, KeyLifetime: time.Hour, KeyRetention: time.Minute}, []string{"live for 1h0m0s, be kept for 1m0s"}},
		{"keys of an unknown issuer", oidcauthn.Options{Issuers: []string{good}, JWKSURLs: map[string]string{"https://else.example": "https://else.example/keys"}}, []string{`"https://else.example", which is not among`}},
		{"keys over http", oidcauthn.Options{Issuers: []string{good}, JWKSURLs: map[string]string{good: "http://idp.example/keys"}}, []string{`keys of issuer "https://idp.example"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.o.Audiences == nil && tt.name != "nothing" {
				tt.o.Audiences = []string{audience}
			}
			_, err := oidcauthn.New(tt.o)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

// New makes no request, so a provider that does not exist is not a mistake.
func TestNewMakesNoRequest(t *testing.T) {
	t.Parallel()
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked %s", r.URL)
		return nil, http.ErrServerClosed
	})}
	newAuthenticator(t, oidcauthn.Options{
		Issuers: []string{"https://idp.example", "http://localhost:1", "http://[::1]:1/x/", "https://cloud.google.com/iap"}, HTTPClient: client,
	})
}

// The keys of Google's IAP are known without an entry.
func TestIAPKeys(t *testing.T) {
	t.Parallel()
	const issuer = "https://cloud.google.com/iap"
	k := ecKey(t, "iap", jose.ES256, elliptic.P256())
	p := newIDP(t, k)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if got, want := r.URL.String(), "https://www.gstatic.com/iap/verify/public_key_jwk"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		here, err := http.NewRequestWithContext(r.Context(), r.Method, p.URL+"/keys", nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultTransport.RoundTrip(here)
	})}
	a := newAuthenticator(t, oidcauthn.Options{
		Issuers: []string{issuer}, Audiences: []string{"/projects/1/global/backendServices/2"},
		Header: "X-Goog-IAP-JWT-Assertion", HTTPClient: client,
	})
	r := withToken(t, "")
	r.Header = http.Header{"X-Goog-Iap-Jwt-Assertion": {k.sign(t, p.claims(map[string]any{
		"iss": issuer, "aud": "/projects/1/global/backendServices/2", "sub": "accounts.google.com:1", "email": "ann@example.org",
	}), nil)}}
	got, err := a.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	want := job.Principal{Issuer: issuer, Subject: "accounts.google.com:1", Email: "ann@example.org"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
