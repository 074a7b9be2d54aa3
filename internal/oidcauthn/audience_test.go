package oidcauthn_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// TestAudienceInClientID takes tokens as Amazon Cognito issues them: an access token has
// client_id and no aud, and an ID token has aud.
func TestAudienceInClientID(t *testing.T) {
	t.Parallel()
	key := rsaKey(0, "rs")
	p := newIDP(t, key)
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, AudienceClaim: oidcauthn.ClientID})
	tests := []struct {
		name   string
		claims map[string]any
		cause  string // empty: the token is accepted
	}{
		{"an access token", map[string]any{"aud": nil, "client_id": audience, "token_use": "access"}, ""},
		{"an access token for this service", map[string]any{"client_id": audience, "token_use": "access"}, ""},
		{"an access token for another service", map[string]any{"aud": "other", "client_id": audience, "token_use": "access"}, "not for this service"},
		{"an access token of another client", map[string]any{"aud": nil, "client_id": "other", "token_use": "access"}, `the client "other", which is not among the audiences`},
		{"an access token of another client for this service", map[string]any{"client_id": "other", "token_use": "access"}, "not among the audiences"},
		{"no client", map[string]any{"aud": nil, "token_use": "access"}, "not among the audiences"},
		{"an ID token", map[string]any{"token_use": "id"}, `the token_use "id", not access`},
		{"an ID token with a client", map[string]any{"client_id": audience, "token_use": "id"}, `the token_use "id", not access`},
		{"no use", map[string]any{"aud": nil, "client_id": audience}, `the token_use "", not access`},
		{"no expiry", map[string]any{"aud": nil, "client_id": audience, "token_use": "access", "exp": nil}, "never expires"},
		{"expired", map[string]any{"aud": nil, "client_id": audience, "token_use": "access", "exp": 1}, "expired"},
	}
	for _, tt := range tests {
		_, err := a.Authenticate(withToken(t, key.sign(t, p.claims(tt.claims), nil)))
		switch {
		case tt.cause == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.cause != "" && (job.KindOf(err) != job.Unauthenticated || !strings.Contains(err.Error(), tt.cause)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.cause)
		}
	}
	if _, err := oidcauthn.New(oidcauthn.Options{Issuers: []string{p.URL}, Audiences: []string{"a"}, AudienceClaim: "sub"}); err == nil {
		t.Error("the audience may be in sub")
	}
}
